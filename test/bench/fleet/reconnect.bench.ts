import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEmbeddedPostgres } from "../../../cli/dev/embedded-postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { quantile } from "../../support/quantile.ts";
import { cpuMs, treeCpuMs } from "../support/cpu-time.ts";
import { type FleetSize, writeFleetRows } from "../support/fleet/fleet-rows.ts";
import { NodeSwarm } from "../support/fleet/node-swarm.ts";
import { COUNTING, printStatements, statementsOf } from "../support/fleet/statements.ts";
import { withClient } from "../support/fleet/swarm-cluster.ts";

/**
 * How soon the nodes of a fleet are back after their only control plane was killed, and what that takes: sessions are real
 * (challenge, hello, heartbeats in both directions, inference channel), and nodes wait between dials as they do in operation.
 *
 *   npm run bench -- reconnect
 *   NODES=200 OUTAGE_SECONDS=10 npm run bench -- reconnect
 *   TLS=1 BASELINE=../before npm run bench -- reconnect
 *   PROFILE=/tmp/profiles STATEMENTS=1 npm run bench -- reconnect
 *
 * BASELINE: the folder of another build, with what `npm ci` installs, whose control plane has its turn first. PROFILE: a folder
 * for the CPU profile of each control plane that nodes come back to. STATEMENTS=1: prints which statements that causes.
 */
const { env } = process;
const SIZE: FleetSize = { nodes: Number(env["NODES"] ?? 1_000), placementsPerNode: 1, deployments: 10 };
const OUTAGE_MS = Number(env["OUTAGE_SECONDS"] ?? 10) * 1_000;
const PATIENCE_MS = 120_000;
const IS_TLS = env["TLS"] === "1";

const now = (): number => performance.timeOrigin + performance.now();
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

const directory = await mkdtemp(path.join(tmpdir(), "skerry-bench-"));
const server = await startEmbeddedPostgres({ directory, settings: { fsync: "off", ...COUNTING } });
const postgresPid = Number(readFileSync(path.join(directory, "data/postmaster.pid"), "utf8").split("\n", 1)[0]);
const BUILDS = { baseline: env["BASELINE"], now: path.resolve(import.meta.dirname, "../../..") };
try {
  await withClient(server.url, (client) => client.query("CREATE EXTENSION pg_stat_statements"));
  for (const [name, checkout] of Object.entries(BUILDS)) {
    if (checkout === undefined) continue;
    console.log(`${name}:`);
    await measure(name, path.resolve(checkout));
  }
} finally {
  await server.stop("immediate");
  await rm(directory, { recursive: true, force: true });
}
process.exit();

async function measure(database: string, checkout: string): Promise<void> {
  await withClient(server.url, (client) => client.query(`CREATE DATABASE ${database}`));
  const url = new URL(server.url);
  url.pathname = `/${database}`;
  const cluster = await SkerryCluster.start(url.href, IS_TLS ? { SKERRY_TLS: "own" } : {}, { checkout });
  try {
    // Rows are written while nobody reads them; the first start has made the tables.
    await cluster.controlPlane.stop();
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const rawKey = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64url");
    const cpId = await writeRows(url.href, rawKey);
    cluster.restartControlPlane();
    await until("the control plane has started", () => isUp(cluster, "/readyz?for=admin"), PATIENCE_MS);
    const swarm = await NodeSwarm.start({
      ...SIZE,
      url: cluster.url.replace(/^http/, "ws"),
      ...(IS_TLS && { authorities: readFileSync(cluster.authorityFile, "utf8") }),
      cpId,
      privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
      checkout,
      reconnects: true,
    });
    try {
      await storm(cluster, swarm, database);
      console.log(`${await readyPlacements(url.href)} of ${SIZE.nodes * SIZE.placementsPerNode} placements are ready`);
    } finally {
      await swarm.stop();
    }
    if (env["PROFILE"] !== undefined) {
      // It takes its time to write one, and is killed when it is only asked to stop.
      cluster.controlPlane.signal("SIGTERM");
      await cluster.controlPlane.exited;
    }
  } finally {
    await cluster.stop();
  }
}

async function storm(cluster: SkerryCluster, swarm: NodeSwarm, database: string): Promise<void> {
  const back = new Map<number, number>();
  const refused = new Map<string, number>();
  const all = swarm.next((report) => {
    if (report.kind === "back") back.set(report.node, report.at);
    if (report.kind === "refused") refused.set(report.reason, (refused.get(report.reason) ?? 0) + 1);
    return back.size === SIZE.nodes;
  });
  await cluster.controlPlane.kill();
  await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
  await withClient(server.url, (client) => client.query("SELECT pg_stat_statements_reset()"));
  const startedAt = now();
  const profile = env["PROFILE"] === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${env["PROFILE"]}` };
  cluster.restartControlPlane(profile);
  await until("the control plane takes connections", () => isUp(cluster, "/livez"), PATIENCE_MS);
  const acceptsAt = now();
  const controlPlanePid = cluster.controlPlane.child.pid ?? 0;
  const used = cpuMeter({
    "control plane": () => cpuMs(controlPlanePid),
    nodes: () => cpuMs(swarm.pid),
    PostgreSQL: () => treeCpuMs(postgresPid),
  });
  refused.clear();
  await until("the control plane has started", () => isUp(cluster, "/readyz?for=admin"), PATIENCE_MS);
  const servesAt = now();
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  const cpu = used();
  const statements = await withClient(server.url, (client) => statementsOf(client, database));
  console.log(
    `outage ${seconds(acceptsAt - startedAt + OUTAGE_MS)}; it takes connections ${seconds(acceptsAt - startedAt)} after its start, serves after ${seconds(servesAt - startedAt)}`,
  );
  console.log(`${back.size} of ${SIZE.nodes} nodes are back`);
  for (const [what, at] of [
    ["it takes connections", acceptsAt],
    ["it serves", servesAt],
  ] as const) {
    const times = [...back.values()].map((each) => each - at);
    const [p50, p99, last] = [0.5, 0.99, 1].map((share) => seconds(quantile(times, share)));
    console.log(`since ${what}: p50 ${p50}  p99 ${p99}  last ${last}`);
  }
  console.log(`CPU since it takes connections: ${cpu}; ${statements} statements`);
  const reasons = [...refused].map(([reason, count]) => `${count} × ${reason}`).join(", ");
  console.log(`dials that failed since: ${reasons || "none"}`);
  if (env["STATEMENTS"]) await withClient(server.url, (client) => printStatements(client, database));
}

/** What each of `parts` takes from now until the answer is called, and its share of all, in words. */
function cpuMeter(parts: Readonly<Record<string, () => number>>): () => string {
  const before = Object.entries(parts).map(([name, read]) => ({ name, read, ms: read() }));
  return () => {
    const used = before.map(({ name, read, ms }) => ({ name, ms: read() - ms }));
    const sum = used.reduce((total, { ms }) => total + ms, 0);
    return used.map(({ name, ms }) => `${name} ${seconds(ms)} (${((ms / sum) * 100).toFixed(0)} %)`).join(", ");
  };
}

function isUp(cluster: SkerryCluster, probe: string): Promise<boolean> {
  return fetch(`${cluster.url}${probe}`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Returns the control plane's id. */
function writeRows(url: string, rawKey: string): Promise<string> {
  return withClient(url, async (client) => {
    await writeFleetRows(client, SIZE, rawKey);
    const { rows } = await client.query<{ value: string }>("SELECT value FROM settings WHERE key = 'control-plane-id'");
    return rows[0]?.value ?? "";
  });
}

function readyPlacements(url: string): Promise<number> {
  return withClient(url, async (client) => {
    const { rows } = await client.query("SELECT 1 FROM placements WHERE state = 'ready' AND wanted = 'serve'");
    return rows.length;
  });
}
