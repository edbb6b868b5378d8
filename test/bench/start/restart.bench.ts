import { readFile } from "node:fs/promises";
import path from "node:path";
import { digitRequests } from "../../support/models/digit-request.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { steadyLoad } from "../../support/processes/steady-load.ts";
import { quantile } from "../../support/quantile.ts";

/**
 * What the restart of the only control plane costs callers: 30 requests a second go on while it is stopped and started.
 *
 *   npm run bench -- restart
 *   BASELINE=../before ROUNDS=5 npm run bench -- restart
 *
 * BASELINE: the folder of another build, with what `npm ci` installs: the builds take turns.
 */
const { env } = process;
const PER_SECOND = 30;
const ROUNDS = Number(env["ROUNDS"] ?? 3);
const BUILDS = { baseline: env["BASELINE"], now: path.resolve(import.meta.dirname, "../../..") };

interface Figures {
  readonly failed: number;
  /** From SIGTERM to the end of the process. */
  readonly stopMs: number;
  /** From the start of the next one until a connection is taken, until `/readyz` says yes. */
  readonly acceptsMs: number;
  readonly readyMs: number;
  /** The longest that a caller waited for a good answer. */
  readonly longestMs: number;
}

const results = new Map<string, Figures[]>();
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, checkout] of Object.entries(BUILDS)) {
    if (checkout === undefined) continue;
    const figures = await measure(path.resolve(checkout));
    results.set(name, [...(results.get(name) ?? []), figures]);
    console.log(`${name.padEnd(9)} ${told(figures)}`);
  }
}
for (const [name, all] of results) {
  const median = (of: (figures: Figures) => number): number => quantile(all.map(of), 0.5);
  const figures = {
    failed: median(({ failed }) => failed),
    stopMs: median(({ stopMs }) => stopMs),
    acceptsMs: median(({ acceptsMs }) => acceptsMs),
    readyMs: median(({ readyMs }) => readyMs),
    longestMs: median(({ longestMs }) => longestMs),
  };
  console.log(`median of ${name.padEnd(9)} ${told(figures)}`);
}
process.exit();

async function measure(checkout: string): Promise<Figures> {
  const database = await startTestDatabase();
  // As each build starts when nothing is set.
  const cluster = await SkerryCluster.start(database.url, { NODE_COMPILE_CACHE: undefined }, { checkout });
  try {
    await cluster.addNode("edge-a");
    await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
    await cluster.deploy({ name: "digits", model: "digits", version: 1 });
    await cluster.whenDeploymentReady("digits");
    const [request] = digitRequests();
    const load = steadyLoad(PER_SECOND, () => cluster.infer("digits", request?.body ?? {}));
    await until("the load is served", () => load.ended.filter(({ status }) => status === 200).length > 2 * PER_SECOND);
    const stoppedAt = performance.now();
    cluster.controlPlane.signal("SIGTERM");
    await cluster.controlPlane.exited;
    const startedAt = performance.now();
    cluster.restartControlPlane();
    await until("it takes connections", () =>
      fetch(`${cluster.url}/livez`).then(
        () => true,
        () => false,
      ),
    );
    const acceptsAt = performance.now();
    await cluster.whenControlPlaneReady();
    const readyAt = performance.now();
    const goal = load.sent() + PER_SECOND;
    await until("the load goes on", () => load.sent() >= goal);
    const samples = await load.stop();
    return {
      failed: samples.filter(({ status }) => status !== 200).length,
      stopMs: startedAt - stoppedAt,
      acceptsMs: acceptsAt - startedAt,
      readyMs: readyAt - startedAt,
      longestMs: Math.max(...samples.filter(({ status }) => status === 200).map(({ ms }) => ms)),
    };
  } finally {
    await cluster.stop();
    await database.stop();
  }
}

function told({ failed, stopMs, acceptsMs, readyMs, longestMs }: Figures): string {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  return `failed ${failed}  stop ${ms(stopMs)}  takes connections after ${ms(acceptsMs)}  ready after ${ms(readyMs)}  longest wait ${ms(longestMs)}`;
}
