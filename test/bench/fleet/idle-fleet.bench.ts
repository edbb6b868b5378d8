import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startEmbeddedPostgres } from "../../../cli/dev/embedded-postgres.ts";
import { quantile } from "../../support/quantile.ts";
import type { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { cpuMs } from "../support/cpu-time.ts";
import { type FleetSize, nodeNameOf } from "../support/fleet/fleet-rows.ts";
import type { NodeSwarm } from "../support/fleet/node-swarm.ts";
import { COUNTING, printStatements, statementsOf } from "../support/fleet/statements.ts";
import { startSwarmCluster, withClient } from "../support/fleet/swarm-cluster.ts";

/**
 * What a fleet in which nothing happens costs the control plane and Postgres, and what one event in it costs. The nodes'
 * sessions are real, with heartbeats and load reports; their placements are ready, and the deployments ask for no more.
 *
 *   npm run bench -- idle-fleet
 *   BASELINE=../before npm run bench -- idle-fleet
 *   NODES=100 SECONDS=10 ROUNDS=3 npm run bench -- idle-fleet
 *   PROFILE=/tmp/profiles npm run bench -- idle-fleet
 *
 * BASELINE: the folder of another build, with what `npm ci` installs: the builds take turns, each on a database of its own.
 * PROFILE: a folder for the CPU profile of each control plane. STATEMENTS=1: prints which statements an idle fleet runs.
 */
const { env } = process;
const SIZE: FleetSize = { nodes: Number(env["NODES"] ?? 1_000), placementsPerNode: 5, deployments: 50 };
const IDLE_MS = Number(env["SECONDS"] ?? 60) * 1_000;
const ROUNDS = Number(env["ROUNDS"] ?? 1);
/** After the sessions were opened: statuses are written, statements are prepared, V8 has compiled. */
const SETTLE_MS = Number(env["SETTLE_SECONDS"] ?? 20) * 1_000;
const EVENTS = 20;
/** Between two events, so that each is handled by itself. */
const EVENT_MS = 500;

interface Figures {
  /** CPU of the control plane, in percent of one core. */
  readonly cpuPct: number;
  readonly statementsPerMinute: number;
  /** From the request that cordons a node until the node has its new document. */
  readonly cordonMs: number;
  /** CPU of the control plane for one cordon and for one line of a node's log, beyond what idling costs. */
  readonly cordonCpuMs: number;
  readonly logCpuMs: number;
}

const directory = await mkdtemp(path.join(tmpdir(), "skerry-bench-"));
const server = await startEmbeddedPostgres({
  directory,
  settings: { fsync: "off", ...COUNTING },
});

const BUILDS = { baseline: env["BASELINE"], now: path.resolve(import.meta.dirname, "../../..") };
const results = new Map<string, Figures[]>();
try {
  await withClient(server.url, (client) => client.query("CREATE EXTENSION pg_stat_statements"));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, checkout] of Object.entries(BUILDS)) {
      if (checkout === undefined) continue;
      const figures = await measure(`${name}_${round}`, path.resolve(checkout));
      results.set(name, [...(results.get(name) ?? []), figures]);
      print(name, figures);
    }
  }
  const [now, baseline] = [results.get("now"), results.get("baseline")];
  if (now && baseline) printRatios(now, baseline);
} finally {
  await server.stop("immediate");
  await rm(directory, { recursive: true, force: true });
}
process.exit();

async function measure(database: string, checkout: string): Promise<Figures> {
  await withClient(server.url, (client) => client.query(`CREATE DATABASE ${database}`));
  const url = new URL(server.url);
  url.pathname = `/${database}`;
  const profile = env["PROFILE"] === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${env["PROFILE"]}` };
  const started = await startSwarmCluster(url.href, SIZE, { checkout, env: profile });
  try {
    await sleep(SETTLE_MS);
    return await measureFleet(started.cluster, started.swarm, database);
  } finally {
    await started.stop();
  }
}

async function measureFleet(cluster: SkerryCluster, swarm: NodeSwarm, database: string): Promise<Figures> {
  const pid = cluster.controlPlane.child.pid ?? 0;
  if (env["STATEMENTS"]) await withClient(server.url, (client) => client.query("SELECT pg_stat_statements_reset()"));
  const statementsBefore = await countStatements(database);
  const idle = await cpuDuring(pid, () => sleep(IDLE_MS));
  if (env["STATEMENTS"]) await withClient(server.url, (client) => printStatements(client, database));
  const statements = (await countStatements(database)) - statementsBefore;
  const cpuPct = (idle.cpuMs / idle.ms) * 100;

  const latencies: number[] = [];
  const cordons = await cpuDuring(pid, async () => {
    for (let turn = 0; turn < EVENTS; turn += 1) {
      latencies.push(await cordon(cluster, swarm, turn));
      await sleep(EVENT_MS);
    }
  });
  const logs = await cpuDuring(pid, async () => {
    for (let turn = 0; turn < EVENTS; turn += 1) {
      swarm.send({ kind: "log", node: turn });
      await sleep(EVENT_MS);
    }
  });
  const beyondIdle = ({ cpuMs: used, ms }: Used): number => (used - (ms * cpuPct) / 100) / EVENTS;
  return {
    cpuPct,
    statementsPerMinute: (statements / idle.ms) * 60_000,
    cordonMs: quantile(latencies, 0.5),
    cordonCpuMs: beyondIdle(cordons),
    logCpuMs: beyondIdle(logs),
  };
}

/** Milliseconds until the node has the document that says so. */
async function cordon(cluster: SkerryCluster, swarm: NodeSwarm, node: number): Promise<number> {
  const arrived = swarm.next((report) => report.kind === "desired" && report.node === node && report.isCordoned);
  const from = performance.timeOrigin + performance.now();
  await cluster.request("POST", `/nodes/${nodeNameOf(node)}/cordon`);
  const report = await arrived;
  return report.kind === "desired" ? report.at - from : 0;
}

interface Used {
  readonly ms: number;
  readonly cpuMs: number;
}

async function cpuDuring(pid: number, work: () => Promise<unknown>): Promise<Used> {
  const [startedAt, before] = [performance.now(), cpuMs(pid)];
  await work();
  return { ms: performance.now() - startedAt, cpuMs: cpuMs(pid) - before };
}

const countStatements = (database: string): Promise<number> =>
  withClient(server.url, (client) => statementsOf(client, database));

function print(name: string, figures: Figures): void {
  const { cpuPct, statementsPerMinute, cordonMs, cordonCpuMs, logCpuMs } = figures;
  console.log(
    `${name.padEnd(9)} CPU ${cpuPct.toFixed(2)} %  ${statementsPerMinute.toFixed(0)} statements/min  ` +
      `cordon ${cordonMs.toFixed(1)} ms, CPU ${cordonCpuMs.toFixed(1)} ms  log line CPU ${logCpuMs.toFixed(1)} ms`,
  );
}

function printRatios(now: readonly Figures[], baseline: readonly Figures[]): void {
  const ratio = (read: (figures: Figures) => number): string =>
    quantile(
      now.map((figures, round) => read(figures) / read(baseline[round] ?? figures)),
      0.5,
    ).toFixed(3);
  console.log(
    `now / baseline: CPU ${ratio(({ cpuPct }) => cpuPct)}  statements ${ratio((each) => each.statementsPerMinute)}  ` +
      `cordon ${ratio(({ cordonMs }) => cordonMs)}, CPU ${ratio(({ cordonCpuMs }) => cordonCpuMs)}  ` +
      `log line CPU ${ratio(({ logCpuMs }) => logCpuMs)}`,
  );
}
