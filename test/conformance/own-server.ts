import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { startTestDatabase } from "../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import type { Target } from "./exchange.ts";
import { MODELS } from "./models.ts";

/** A Skerry of our own that holds what the cases need: control plane, an edge node and a cloud node, each a real process. */
export interface OwnServer {
  readonly cluster: SkerryCluster;
  readonly controlPlane: Target;
  /** The edge node's own address. */
  readonly node: Target;
  /** Deploys the model that can never be loaded, and waits until that is known. */
  breakOne(): Promise<void>;
  /** Takes it away again. */
  mend(): Promise<void>;
  /** Waits until the node serves everything again. */
  whenNodeServes(): Promise<unknown>;
  stop(): Promise<void>;
}

const UNDEPLOYED: ReadonlySet<string> = new Set(["conf-idle", "conf-broken", "conf-fp32"]);
/** The node listens on all interfaces, so it asks for a key of its own. */
const CALLERS_KEY = "skn_conformance";
/** Uploads are checked two at a time; more under way only wait. */
const PUBLISHERS = 4;

export async function startOwnServer(): Promise<OwnServer> {
  const database = await startTestDatabase();
  const cluster = await SkerryCluster.start(database.url);
  const stop = async (): Promise<void> => {
    await cluster.stop();
    await database.stop();
  };
  try {
    const edge = await furnish(cluster);
    return {
      cluster,
      controlPlane: { url: cluster.url, keys: await makeKeys(cluster) },
      node: { url: edge.localUrl, keys: { default: CALLERS_KEY } },
      breakOne: () => breakOne(cluster),
      mend: () => mend(cluster, edge),
      whenNodeServes: () => Promise.all([cluster.whenLocalReady(edge), whenKnown(cluster, edge)]),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Adds the nodes and deploys every model on them. */
async function furnish(cluster: SkerryCluster): Promise<ClusterNode> {
  const keysFile = path.join(cluster.directory, "callers.keys");
  await writeFile(keysFile, `${createHash("sha256").update(CALLERS_KEY).digest("hex")}  # the cases\n`);
  const [edge] = await Promise.all([
    cluster.addNode("conf-edge", { env: { SKERRY_LOCAL_HOST: "0.0.0.0", SKERRY_LOCAL_KEYS_FILE: keysFile } }),
    cluster.addNode("conf-cloud-node", { kind: "cloud" }),
    publishAll(cluster),
  ]);
  await deployAll(cluster);
  return edge;
}

async function publishAll(cluster: SkerryCluster): Promise<void> {
  const waiting = [...MODELS];
  const publishNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await cluster.publish(next.name, next.file);
      // One model has two versions, the older of them behind an alias.
      if (next.name === "conf-fp32") await cluster.publish(next.name, next.file);
    }
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, publishNext));
  await cluster.request("PUT", "/models/conf-fp32/aliases/champion", { version: 1 });
}

async function deployAll(cluster: SkerryCluster): Promise<void> {
  const specs = [
    { name: "conf-fp32-older", model: "conf-fp32", version: "champion" },
    { name: "conf-fp32", model: "conf-fp32", version: 2 },
    ...MODELS.filter(({ name }) => !UNDEPLOYED.has(name)).map(({ name }) => ({
      name,
      model: name,
      version: 1,
      // A run that takes longer is ended by force, whoever waits for it.
      ...(name === "conf-hang" && { limits: { timeoutMs: 4_000 } }),
      ...(name === "conf-cloud" && { placement: { cloud: { min: 1 } } }),
    })),
  ];
  for (const spec of specs) await cluster.deploy(spec);
  for (const { name } of specs) await cluster.whenDeploymentReady(name);
}

async function makeKeys(cluster: SkerryCluster): Promise<Target["keys"]> {
  const make = async (role: string, models: readonly string[]): Promise<string> =>
    (await cluster.post<{ key: string }>("/api-keys", { name: `conf-${role}`, role, models })).key;
  return {
    default: await make("operator", []),
    viewer: await make("viewer", []),
    application: await make("application", ["conf-fp32"]),
  };
}

async function breakOne(cluster: SkerryCluster): Promise<void> {
  await cluster.deploy({ name: "conf-broken", model: "conf-broken", version: 1 });
  await until("the broken model has failed", async () => {
    const [placement] = await cluster.placements("conf-broken");
    return placement?.state === "failed";
  });
}

async function mend(cluster: SkerryCluster, edge: ClusterNode): Promise<void> {
  await cluster.request("DELETE", "/deployments/conf-broken");
  await cluster.whenLocalReady(edge);
}

const whenKnown = (cluster: SkerryCluster, { name }: ClusterNode): Promise<unknown> => cluster.whenNode(name, "ready");
