import { generateKeyPairSync } from "node:crypto";
import pg from "pg";
import { SkerryCluster } from "../../../support/processes/skerry-cluster.ts";
import { until } from "../../../support/processes/skerry-process.ts";
import { type FleetSize, writeFleetRows } from "./fleet-rows.ts";
import { NodeSwarm } from "./node-swarm.ts";

/** A control plane with real sessions of many nodes, whose placements are ready. */
export interface SwarmCluster {
  readonly cluster: SkerryCluster;
  readonly swarm: NodeSwarm;
  readonly stop: () => Promise<void>;
}

/** Starts it on an empty database. Resolves when every node is ready. */
export async function startSwarmCluster(
  databaseUrl: string,
  size: FleetSize,
  { checkout, env = {} }: { readonly checkout: string; readonly env?: NodeJS.ProcessEnv },
): Promise<SwarmCluster> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const rawKey = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64url");
  const cluster = await SkerryCluster.start(databaseUrl, env, { checkout });
  // Rows are written while nobody reads them; the first start has made the tables.
  await cluster.controlPlane.stop();
  const cpId = await withClient(databaseUrl, async (client) => {
    await writeFleetRows(client, size, rawKey);
    const { rows } = await client.query<{ value: string }>("SELECT value FROM settings WHERE key = 'control-plane-id'");
    return rows[0]?.value ?? "";
  });
  cluster.restartControlPlane();
  await cluster.whenControlPlaneReady();
  const swarm = await NodeSwarm.start({
    ...size,
    url: `ws://127.0.0.1:${cluster.port}`,
    cpId,
    privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    checkout,
  });
  await until("every node is ready", () => isFleetReady(cluster, size), 120_000);
  return {
    cluster,
    swarm,
    async stop() {
      if (swarm.closed.length > 0) console.log(`sessions that closed: ${swarm.closed.slice(0, 5).join("; ")}`);
      await swarm.stop();
      await cluster.stop();
    },
  };
}

async function isFleetReady(cluster: SkerryCluster, { nodes }: FleetSize): Promise<boolean> {
  const answer = await fetch(`${cluster.url}/metrics`, { headers: { authorization: `Bearer ${cluster.adminKey}` } });
  const ready = /^skerry_nodes\{state="ready"\} (\d+)$/m.exec(await answer.text());
  return Number(ready?.[1]) === nodes;
}

export async function withClient<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
