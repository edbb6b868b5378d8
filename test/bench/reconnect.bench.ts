import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { startTestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { quantile } from "../support/quantile.ts";
import { type FleetSize, writeFleetRows } from "./support/fleet-rows.ts";
import { cpuMs } from "./support/cpu-time.ts";
import { NodeSwarm } from "./support/node-swarm.ts";

/**
 * How soon the nodes of a fleet are back after their only control plane was killed: sessions are real (challenge, hello,
 * heartbeats in both directions, inference channel), and nodes wait between dials as they do in operation.
 *
 *   npm run bench -- reconnect
 *   NODES=200 OUTAGE_SECONDS=10 npm run bench -- reconnect
 *   TLS=1 npm run bench -- reconnect
 */
const { env } = process;
const SIZE: FleetSize = { nodes: Number(env["NODES"] ?? 1_000), placementsPerNode: 1, deployments: 10 };
const OUTAGE_MS = Number(env["OUTAGE_SECONDS"] ?? 10) * 1_000;
const PATIENCE_MS = 120_000;

const now = (): number => performance.timeOrigin + performance.now();

const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url, env["TLS"] === "1" ? { SKERRY_TLS: "own" } : {});
// Rows are written while nobody reads them; the first start has made the tables.
await cluster.controlPlane.stop();
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const cpId = await writeRows(publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64url"));
cluster.restartControlPlane();
await until("the control plane has started", () => isUp("/readyz?for=admin"), PATIENCE_MS);
const swarm = await NodeSwarm.start({
  ...SIZE,
  url: cluster.url.replace(/^http/, "ws"),
  ...(env["TLS"] === "1" && { authorities: readFileSync(cluster.authorityFile, "utf8") }),
  cpId,
  privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  checkout: path.resolve(import.meta.dirname, "../.."),
  reconnects: true,
});
try {
  console.log(`${SIZE.nodes} nodes are connected`);
  const back = new Map<number, number>();
  const refused = new Map<string, number>();
  const all = swarm.next((report) => {
    if (report.kind === "back") back.set(report.node, report.at);
    if (report.kind === "refused") refused.set(report.reason, (refused.get(report.reason) ?? 0) + 1);
    return back.size === SIZE.nodes;
  });
  await cluster.controlPlane.kill();
  await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
  const startedAt = now();
  cluster.restartControlPlane();
  await until("the control plane takes connections", () => isUp("/livez"), PATIENCE_MS);
  const acceptsAt = now();
  const cpu = cpuMeter({ "control plane": cluster.controlPlane.child.pid ?? 0, nodes: swarm.pid });
  refused.clear();
  await until("the control plane has started", () => isUp("/readyz?for=admin"), PATIENCE_MS);
  const servesAt = now();
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  const used = cpu();
  const after = (at: number, share: number): string =>
    `${(
      quantile(
        [...back.values()].map((each) => each - at),
        share,
      ) / 1_000
    ).toFixed(2)} s`;
  console.log(
    `outage ${((acceptsAt - startedAt + OUTAGE_MS) / 1_000).toFixed(1)} s; it takes connections ${(acceptsAt - startedAt).toFixed(0)} ms after its start, serves after ${(servesAt - startedAt).toFixed(0)} ms`,
  );
  console.log(`${back.size} of ${SIZE.nodes} nodes are back`);
  for (const [what, at] of [
    ["it takes connections", acceptsAt],
    ["it serves", servesAt],
  ] as const)
    console.log(`since ${what}: p50 ${after(at, 0.5)}  p99 ${after(at, 0.99)}  last ${after(at, 1)}`);
  console.log(`CPU since it takes connections: ${used}`);
  console.log(
    `dials that failed since: ${[...refused].map(([reason, count]) => `${count} × ${reason}`).join(", ") || "none"}`,
  );
} finally {
  await swarm.stop();
  await cluster.stop();
  await database.stop();
}
process.exit();

/** What each process takes from now until the answer is called, in words. */
function cpuMeter(pids: Readonly<Record<string, number>>): () => string {
  const before = Object.entries(pids).map(([name, pid]) => ({ name, pid, ms: cpuMs(pid) }));
  return () => before.map(({ name, pid, ms }) => `${name} ${((cpuMs(pid) - ms) / 1_000).toFixed(1)} s`).join(", ");
}

function isUp(probe: string): Promise<boolean> {
  return fetch(`${cluster.url}${probe}`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function writeRows(rawKey: string): Promise<string> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await writeFleetRows(client, SIZE, rawKey);
    const { rows } = await client.query<{ value: string }>("SELECT value FROM settings WHERE key = 'control-plane-id'");
    return rows[0]?.value ?? "";
  } finally {
    await client.end();
  }
}
