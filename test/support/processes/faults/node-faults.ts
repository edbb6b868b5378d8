import type { ClusterNode, SkerryCluster } from "../skerry-cluster.ts";
import { modelHostsOf } from "../process-facts.ts";
import { until } from "../skerry-process.ts";
import type { TcpProxy } from "../../network/tcp-proxy.ts";

export interface Scene {
  readonly cluster: SkerryCluster;
  /** Every node's sockets go through it. */
  readonly proxy: TcpProxy;
}

/** Something that goes wrong with one node and can be made good again. */
export interface NodeFault {
  /** Of the fault catalog, where one fits. */
  readonly id: string;
  readonly title: string;
  /** Makes it happen; resolves with what ends it. */
  begin(victim: ClusterNode, scene: Scene): Promise<() => Promise<void>>;
}

/** A tenth of a core, in the rhythm in which Linux holds a group of processes to a CPU quota. */
const QUOTA = { periodMs: 100, runMs: 10 };
/** Three within a minute make the placement `failed`; after two the node heals itself. */
const CRASHES = 2;

const killed: NodeFault = {
  id: "proc-agent-kill",
  title: "killed (SIGKILL of the agent)",
  async begin(victim) {
    await victim.process.kill();
    return async () => victim.restart();
  },
};

const stopped: NodeFault = {
  id: "proc-agent-freeze",
  title: "stopped (SIGSTOP of the agent, its sockets stay open)",
  async begin(victim) {
    victim.process.signal("SIGSTOP");
    return async () => victim.process.signal("SIGCONT");
  },
};

const slowed: NodeFault = {
  id: "proc-host-slow",
  title: "slowed (its model host gets 10 ms of every 100 ms)",
  async begin(victim) {
    const host = await modelHostOf(victim);
    const stop = (): boolean => process.kill(host, "SIGSTOP");
    const period = setInterval(() => {
      process.kill(host, "SIGCONT");
      setTimeout(stop, QUOTA.runMs);
    }, QUOTA.periodMs);
    stop();
    return async () => {
      clearInterval(period);
      // After the last `stop`, which may still be due.
      await new Promise((resolve) => setTimeout(resolve, 2 * QUOTA.runMs));
      process.kill(host, "SIGCONT");
    };
  },
};

const erring: NodeFault = {
  id: "proc-host-crash",
  title: `answering errors (its model host dies with requests inside, ${CRASHES} times in a row)`,
  async begin(victim, { cluster }) {
    let host = await modelHostOf(victim);
    // Stopped first, so that it surely dies with a request inside. The second time nobody may be sent there any more.
    process.kill(host, "SIGSTOP");
    await until("requests wait at the host", async () => (await inFlightAt(victim)) > 0);
    for (let crash = 0; crash < CRASHES; crash += 1) {
      const dying = host;
      process.kill(dying, "SIGKILL");
      await until("its host is gone", async () => !(await modelHostsOf(pidOf(victim))).includes(dying));
      host = await modelHostOf(victim);
    }
    return async () => void (await cluster.whenLocalReady(victim));
  },
};

const halfOpen: NodeFault = {
  id: "net-half-open",
  title: "half-open (no byte passes, no socket closes)",
  async begin(victim, { cluster, proxy }) {
    proxy.break({ blackhole: "both" }, await nodeIdOf(cluster, victim));
    return async () => proxy.heal();
  },
};

const oneWay: NodeFault = {
  id: "net-one-way",
  title: "deaf (what the control plane sends is lost; what the node sends arrives)",
  async begin(victim, { cluster, proxy }) {
    proxy.break({ blackhole: "down" }, await nodeIdOf(cluster, victim));
    return async () => proxy.heal();
  },
};

const deafInference: NodeFault = {
  id: "net-half-open-inference",
  title: "half-open on the inference channel alone (heartbeats go on)",
  async begin(victim, { cluster, proxy }) {
    proxy.break({ blackhole: "both" }, await nodeIdOf(cluster, victim), "/api/v1/node/inference");
    return async () => proxy.heal();
  },
};

export const FAULTS = { killed, stopped, slowed, erring, halfOpen, oneWay, deafInference } as const;
export const NODE_FAULTS: readonly NodeFault[] = Object.values(FAULTS);

async function nodeIdOf(cluster: SkerryCluster, { name }: ClusterNode): Promise<string> {
  const { items } = await cluster.get<{ items: { id: string; name: string }[] }>("/nodes");
  const id = items.find((node) => node.name === name)?.id;
  if (id === undefined) throw new Error(`there is no node ${name}`);
  return id;
}

/** Waits until there is just one: the host of a placement that was retired a moment ago may still be about to go. */
const modelHostOf = (victim: ClusterNode): Promise<number> =>
  until(`${victim.name} runs one model host`, async () => {
    const [only, ...more] = await modelHostsOf(pidOf(victim));
    return more.length === 0 ? only : undefined;
  });

const pidOf = ({ process: { child } }: ClusterNode): number => child.pid ?? 0;

/** Requests that a node has accepted and not answered. */
export async function inFlightAt({ localUrl }: Pick<ClusterNode, "localUrl">): Promise<number> {
  const text = await (await fetch(`${localUrl}/metrics`)).text();
  return Number(/^skerry_node_requests_in_flight (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}
