import { setTimeout as pass } from "node:timers/promises";
import pg from "pg";
import type { Random } from "../../../../shared/base/random.ts";
import { modelHostsOf } from "../process-facts.ts";
import type { ClusterNode, SkerryCluster } from "../skerry-cluster.ts";
import type { TcpProxy } from "../../network/tcp-proxy.ts";

/** A cluster that is about to be treated badly. */
export interface ChaosScene {
  readonly cluster: SkerryCluster;
  /** Every node's sockets go through it. */
  readonly proxy: TcpProxy;
  readonly databaseUrl: string;
  /** Names of the models; each has the versions 1 and 2, and may have a deployment of the same name. */
  readonly models: readonly string[];
  readonly random: Random;
}

interface Act {
  /** How often it is chosen, against the others. */
  readonly weight: number;
  /** Does it, for as long as it takes, and says what it did. */
  perform(scene: ChaosScene): Promise<string>;
}

/** How long a fault lasts and how long the next one lets wait, in ms: shorter and longer than what the product waits for. */
const FAULT_MS = [100, 2_500] as const;
const PAUSE_MS = [50, 500] as const;
/** Three crashes of one host within a minute make its placement `failed` for a quarter of an hour, as they should. */
const HOSTS_KILLED_AT_MOST = 2;

/** Does `acts` things to the cluster, one after the other, as `random` has it. Returns what it did, line by line. */
export async function wreakHavoc(scene: ChaosScene, acts: number): Promise<readonly string[]> {
  const chances = Object.values(ACTS);
  const all = chances.reduce((sum, { weight }) => sum + weight, 0);
  const transcript: string[] = [];
  let hostsKilled = 0;
  for (let index = 0; index < acts; index += 1) {
    let left = scene.random.next() * all;
    const act = chances.find(({ weight }) => (left -= weight) < 0) ?? ACTS.cut;
    if (act === ACTS.killHost) hostsKilled += 1;
    const isTooMany = act === ACTS.killHost && hostsKilled > HOSTS_KILLED_AT_MOST;
    transcript.push(await (isTooMany ? ACTS.cut : act).perform(scene));
    await pass(between(scene.random, PAUSE_MS));
  }
  return transcript;
}

/** Ends what may still be wrong: every process runs, every link works, every node takes placements. */
export async function makePeace({ cluster, proxy }: ChaosScene): Promise<void> {
  proxy.heal();
  await cluster.whenControlPlaneReady();
  for (const name of cluster.nodes.keys()) await cluster.request("POST", `/nodes/${name}/uncordon`);
}

const ACTS = {
  deploy: {
    weight: 6,
    async perform({ cluster, models, random }) {
      const name = pick(random, models);
      const version = 1 + Math.floor(random.next() * 2);
      const edge = 1 + Math.floor(random.next() * 2);
      const outcome = await attempt(cluster.deploy(aSpec(name, version, edge)));
      return `deploy ${name}:${version} on ${edge} of the edge nodes${outcome}`;
    },
  },
  remove: {
    weight: 2,
    async perform({ cluster, models, random }) {
      const name = pick(random, models);
      const outcome = await attempt(cluster.request("DELETE", `/deployments/${name}`, undefined, { accept: [404] }));
      return `delete ${name}${outcome}`;
    },
  },
  tend: {
    weight: 2,
    async perform({ cluster, random }) {
      const { name } = pick(random, nodesOf(cluster));
      const verb = pick(random, ["cordon", "uncordon", "uncordon", "drain"]);
      return `${verb} ${name}${await attempt(cluster.request("POST", `/nodes/${name}/${verb}`))}`;
    },
  },
  cut: {
    weight: 5,
    async perform({ proxy, random }) {
      const channel = pick(random, ["", "/node/control", "/node/inference", "/node/transfer"]);
      proxy.cut(channel);
      return `reset all connections ${channel === "" ? "of the nodes" : `to …${channel}`}`;
    },
  },
  silence: {
    weight: 3,
    async perform({ proxy, random }) {
      const direction = pick(random, ["both", "up", "down"] as const);
      const channel = pick(random, ["", "/node/control", "/node/inference", "/node/transfer"]);
      const ms = between(random, FAULT_MS);
      proxy.break({ blackhole: direction }, channel);
      await pass(ms);
      proxy.heal();
      return `let no byte pass ${direction} for ${ms} ms${channel === "" ? "" : `, on …${channel}`}`;
    },
  },
  killNode: {
    weight: 3,
    async perform({ cluster, random }) {
      const node = pick(random, nodesOf(cluster));
      const ms = between(random, FAULT_MS);
      await node.process.kill();
      await pass(ms);
      node.restart();
      return `kill ${node.name}, start it again after ${ms} ms`;
    },
  },
  stopNode: {
    weight: 2,
    async perform({ cluster, random }) {
      const node = pick(random, nodesOf(cluster));
      const ms = between(random, FAULT_MS);
      node.process.signal("SIGSTOP");
      await pass(ms);
      node.process.signal("SIGCONT");
      return `stop ${node.name} for ${ms} ms`;
    },
  },
  killControlPlane: {
    weight: 2,
    async perform({ cluster, random }) {
      const ms = between(random, FAULT_MS);
      await cluster.controlPlane.kill();
      await pass(ms);
      cluster.restartControlPlane();
      return `kill the control plane, start it again after ${ms} ms`;
    },
  },
  killHost: {
    weight: 1,
    async perform({ cluster, random }) {
      const node = pick(random, nodesOf(cluster));
      const chance = random.next();
      const hosts = await modelHostsOf(node.process.child.pid ?? 0);
      const host = hosts[Math.floor(chance * hosts.length)];
      if (host === undefined) return `kill no model host of ${node.name}: it runs none`;
      process.kill(host, "SIGKILL");
      return `kill one of ${hosts.length} model hosts of ${node.name}`;
    },
  },
  loseDatabase: {
    weight: 2,
    async perform({ databaseUrl }) {
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      const { rowCount } = await client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
      );
      await client.end();
      return `end ${rowCount} sessions of the database`;
    },
  },
} satisfies Record<string, Act>;

export const aSpec = (name: string, version: number, edge: number): Parameters<SkerryCluster["deploy"]>[0] => ({
  name,
  model: name,
  version,
  placement: { edge: { min: edge }, cloud: { min: 1 } },
  limits: { memMiB: 128 },
});

/** What an operator does may fail while things are broken. */
const attempt = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "",
    (error: unknown) => ` (in vain: ${String(error).slice(0, 120)})`,
  );

const nodesOf = (cluster: SkerryCluster): readonly ClusterNode[] => [...cluster.nodes.values()];

function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random.next() * items.length)];
  if (item === undefined) throw new Error("there is nothing to choose from");
  return item;
}

const between = (random: Random, [least, most]: readonly [number, number]): number =>
  Math.round(least + random.next() * (most - least));
