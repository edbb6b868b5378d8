import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openModel } from "../../../edge-node/model-host/onnx/model.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { quantile } from "../../support/quantile.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, type SkerryProcess, until } from "../../support/processes/skerry-process.ts";
import { type BenchModel, digits, millisecond, negative, picture, softmax } from "../support/bench-models.ts";
import { keepOn } from "../support/cores.ts";
import { childrenOf, cpuMs } from "../support/cpu-time.ts";
import { httpLoad, type HttpTarget } from "../support/http-load.ts";
import { inferTarget } from "../support/infer-target.ts";
import { startNginx } from "../support/nginx.ts";
import { type Cell, printRounds, type Way, WAYS } from "../support/ways.ts";

/**
 * What the way through the control plane costs, and what batching gives: the same request to the control plane, to the
 * worker's own port, to nginx in front of that port, and to ONNX Runtime in this process. All take turns in every
 * round, and the figures are medians of ratios within a round, so that a machine that slows down slows all of them.
 *
 *   npm run bench -- inference
 *   ROUNDS=3 MODELS=digits ENCODINGS=binary CONCURRENCY=1,32 npm run bench -- inference
 *   CORES=apart npm run bench -- inference
 *   BASELINE=../before WAYS="control plane,baseline" npm run bench -- inference
 *   FORWARDED=1 WAYS="control plane,forwarded" npm run bench -- inference
 *
 * CORES=apart: two machines of one core each, as far as one machine can show it. Callers, control plane and nginx have the
 * one, the worker and its model hosts the other. Without it five processes share the cores as the system sees fit.
 *
 * FORWARDED=1: the same request also to a second control plane, which forwards it; their CPU is added up.
 * BASELINE: the folder of another build, with what `npm ci` installs: its control plane and worker take turns with these.
 */
const { env } = process;
const ROUNDS = Number(env["ROUNDS"] ?? 7);
const MODELS = (env["MODELS"] ?? "softmax,digits,millisecond,picture,negative").split(",");
const ENCODINGS = (["binary", "json"] as const).filter((each) => (env["ENCODINGS"] ?? "binary,json").includes(each));
const CONCURRENCY = (env["CONCURRENCY"] ?? "1,8,32,128").split(",").map(Number);
const ARE_CORES_APART = env["CORES"] === "apart";
/** WAYS: only these are asked. */
const ONLY = (env["WAYS"] ?? WAYS.join(",")).split(",");
const CELL_MS = 1_000;
/** Each way is asked for so long before anything is measured: until then V8 compiles, and what is asked more is faster. */
const WARM_MS = 3_000;

type Run = () => Promise<Cell>;

const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
const directory = await mkdtemp(path.join(tmpdir(), "skerry-bench-"));
const node = await cluster.addNode("edge-a");
const baseline = env["BASELINE"] === undefined ? undefined : await startBaseline(path.resolve(env["BASELINE"]));
const other = env["FORWARDED"] === "1" ? await startOther(await freePort()) : undefined;
const workerPort = Number(new URL(node.localUrl).port);
const nginx = await startNginx(workerPort);
if (ARE_CORES_APART) {
  const proxies = nginx?.pid === undefined ? [] : [nginx.pid, ...childrenOf(nginx.pid)];
  keepOn(0, [process.pid, cluster.controlPlane.child.pid, ...proxies]);
  keepOn(1, [node.process.child.pid]);
}
try {
  if (nginx === undefined) console.log("nginx is not installed: nothing is compared with it");
  for (const model of [softmax(), digits(), millisecond(), picture(), negative()].filter(({ name }) =>
    MODELS.includes(name),
  ))
    await benchModel(model);
} finally {
  await nginx?.stop();
  await other?.process.stop();
  await baseline?.cluster.stop();
  await cluster.stop();
  await database.stop();
  await baseline?.database.stop();
  await rm(directory, { recursive: true, force: true });
}
process.exit();

interface Build {
  readonly cluster: SkerryCluster;
  readonly node: ClusterNode;
  /** Whose CPU counts too. */
  readonly other?: SkerryProcess | undefined;
}

async function startOther(port: number): Promise<{ readonly port: number; readonly process: SkerryProcess }> {
  const started = cluster.addControlPlane(port);
  const isReady = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.ok === true;
  await until("the other control plane is ready", isReady);
  return { port, process: started };
}

async function startBaseline(checkout: string): Promise<Build & { readonly database: TestDatabase }> {
  const own = await startTestDatabase({ isEmpty: true });
  const other = await SkerryCluster.start(own.url, {}, { checkout });
  return { cluster: other, node: await other.addNode("edge-a"), database: own };
}

async function benchModel(model: BenchModel): Promise<void> {
  const alone = `${model.name}-alone`;
  for (const [name, maxBatch] of [
    [model.name, undefined],
    [alone, 1],
  ] as const) {
    for (const build of [cluster, baseline?.cluster]) {
      await build?.publish(name, model.file);
      await build?.deploy({ name, model: name, version: 1, limits: { memMiB: 1_024, maxBatch } });
      await build?.whenDeploymentReady(name);
    }
  }
  const inProcess = await runInProcess(model);
  for (const encoding of ENCODINGS) {
    const target = (port: number, name = model.name): HttpTarget =>
      inferTarget(model, { port, key: cluster.adminKey, encoding, model: name });
    const before = baseline && {
      build: baseline,
      target: inferTarget(model, { port: baseline.cluster.port, key: baseline.cluster.adminKey, encoding }),
    };
    console.log(`\n${model.name}, ${encoding}, ${target(workerPort).body.byteLength} bytes`);
    const targets: readonly (readonly [Way, HttpTarget])[] = [
      ["unbatched", target(workerPort, alone)],
      ["worker", target(workerPort)],
      ...(nginx ? [["nginx", target(nginx.port)] as const] : []),
      ["control plane", target(cluster.port)],
      ...(other ? [["forwarded", target(other.port)] as const] : []),
    ];
    await warmUp([...targets.map(([, each]) => each), ...(before ? [before.target] : [])]);
    for (const connections of CONCURRENCY) {
      const ways: (readonly [Way, Run])[] = [["in process", inProcess]];
      for (const [way, each] of targets)
        ways.push([way, await runLoad({ cluster, node, other: other?.process }, each, connections)]);
      if (before) ways.push(["baseline", await runLoad(before.build, before.target, connections)]);
      await benchRounds(
        `c=${String(connections).padEnd(3)}`,
        ways.filter(([way]) => ONLY.includes(way)),
      );
    }
  }
}

async function benchRounds(label: string, ways: readonly (readonly [Way, Run])[]): Promise<void> {
  const rounds: Map<Way, Cell>[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const cells = new Map<Way, Cell>();
    // Another one begins each round: what ran just before is not always the same.
    const turn = round % ways.length;
    for (const [way, run] of [...ways.slice(turn), ...ways.slice(0, turn)]) cells.set(way, await run());
    rounds.push(cells);
  }
  printRounds(label, rounds);
}

/** One row after another in this process: what the runtime does by itself, without a byte sent or parsed. */
async function runInProcess(model: BenchModel): Promise<Run> {
  const file = path.join(directory, `${model.name}.onnx`);
  await writeFile(file, model.file);
  const session = await openModel(file);
  const shape = [1, ...model.shape];
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(0.5);
  const row = { name: model.input, datatype: "FP32" as const, shape, data };
  const outputs = session.outputs.map(({ name }) => name);
  return async () => {
    const latencies: number[] = [];
    const before = performance.now();
    for (let now = before; now < before + CELL_MS;) {
      await session.run([row], outputs);
      const then = now;
      now = performance.now();
      latencies.push(now - then);
    }
    const seconds = (performance.now() - before) / 1_000;
    const cpuUs = { controlPlane: 0, worker: 0, host: 0 };
    return { ...quantiles(latencies), perSecond: latencies.length / seconds, cpuUs, refused: 0 };
  };
}

function quantiles(latencies: readonly number[]): { readonly p50: number; readonly p99: number } {
  return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
}

/** So many requests that they take about `ms`, by a short run before. */
async function requestsIn(ms: number, target: HttpTarget, connections: number): Promise<number> {
  const { perSecond } = await httpLoad(target, { connections, requests: Math.max(200, connections * 4) });
  return Math.max(connections * 8, Math.round((perSecond * ms) / 1_000));
}

async function warmUp(targets: readonly HttpTarget[]): Promise<void> {
  const connections = 8;
  for (const target of targets)
    await httpLoad(target, { connections, requests: await requestsIn(WARM_MS, target, connections) });
}

async function runLoad(build: Build, target: HttpTarget, connections: number): Promise<Run> {
  const requests = await requestsIn(CELL_MS, target, connections);
  const pids = {
    controlPlane: build.cluster.controlPlane.child.pid ?? 0,
    other: build.other?.child.pid,
    worker: build.node.process.child.pid ?? 0,
  };
  const cpu = (): Cell["cpuUs"] => ({
    controlPlane: (cpuMs(pids.controlPlane) + (pids.other === undefined ? 0 : cpuMs(pids.other))) * 1_000,
    worker: cpuMs(pids.worker) * 1_000,
    host: childrenOf(pids.worker).reduce((sum, pid) => sum + cpuMs(pid) * 1_000, 0),
  });
  return async () => {
    const before = cpu();
    const { latencies, perSecond, refused } = await httpLoad(target, { connections, requests });
    const after = cpu();
    const share = (who: keyof Cell["cpuUs"]): number => (after[who] - before[who]) / requests;
    const cpuUs = { controlPlane: share("controlPlane"), worker: share("worker"), host: share("host") };
    return { ...quantiles(latencies), perSecond, cpuUs, refused: refused / requests };
  };
}
