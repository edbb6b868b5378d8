import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openModel } from "../../../edge-node/model-host/onnx/model.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { pythonWith } from "../../support/processes/engines/python-environment.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { type BenchModel, digits, thumbnail } from "../support/bench-models.ts";
import { treeCpuMs } from "../support/cpu-time.ts";
import { goodputTurn, printTurns, REFUSALS, timesTheBest, type Turn } from "../support/goodput.ts";
import { httpLoad, type HttpTarget } from "../support/http-load.ts";
import { inferTarget } from "../support/infer-target.ts";
import { startMosec } from "../support/peers/mosec.ts";
import type { PeerModel, PeerServer } from "../support/peers/peer-server.ts";
import { startTriton } from "../support/peers/triton.ts";

/**
 * Skerry beside two servers that serve models from Python: mosec, and Triton with its Python backend (the program in
 * PyTriton's wheel, without PyTriton's proxy). The same file, by ONNX Runtime of the same version with one thread; the
 * same JSON body of the Open Inference Protocol; the same client, on the same machine. All are there at the same time
 * and take turns in every round. An answer counts only when it came within the deadline (goodput).
 *
 *   npm run bench -- peers
 *   ROUNDS=3 MODELS=digits CONCURRENCY=32 WAYS="control plane,mosec 2 json" npm run bench -- peers
 *
 * thumbnail: a model of about 1 ms with a body of 235 kB, its numbers as Python writes floats. digits: the convolutional
 * network of the example, 10 µs, a body of 12 kB.
 *
 * Settings of the others: requests may share a run, 32 at most, as in Skerry. mosec waits 1 ms for a batch, the least
 * that it knows; Triton does not wait. Each is there with one process for the model and with two, as many as the machine
 * has cores, and mosec with Python's JSON, its own choice, and with orjson. Skerry is compared with the best of these in
 * each round. Skerry has its default settings and one replica, so one process for the model; it is asked at the control
 * plane, which checks a key, and at the node.
 */
const { env } = process;
const ROUNDS = Number(env["ROUNDS"] ?? 5);
const MODELS = (env["MODELS"] ?? "thumbnail,digits").split(",");
const CONCURRENCY = (env["CONCURRENCY"] ?? "8,32").split(",").map(Number);
const DEADLINE_MS = Number(env["DEADLINE_MS"] ?? 250);
/** WAYS: only these are asked. */
const ONLY = env["WAYS"]?.split(",");
const CELL_MS = 1_500;
const WARM_MS = 2_000;
const MAX_BATCH = 32;

interface Way {
  readonly name: string;
  readonly target: HttpTarget;
  readonly cpuMs: () => number;
}

const PEERS: Readonly<Record<string, (python: string, model: PeerModel, directory: string) => Promise<PeerServer>>> = {
  "mosec 1 json": (...to) => mosec(1, "json", ...to),
  "mosec 2 json": (...to) => mosec(2, "json", ...to),
  "mosec 2 orjson": (...to) => mosec(2, "orjson", ...to),
  "triton 1": (...to) => triton(1, ...to),
  "triton 2": (...to) => triton(2, ...to),
};
const isWanted = (name: string): boolean => ONLY === undefined || ONLY.includes(name);

const python = await pythonWith(path.join(import.meta.dirname, "../support/peers/requirements.txt"));
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
const directory = await mkdtemp(path.join(tmpdir(), "skerry-peers-"));
const node = await cluster.addNode("edge-a");
try {
  for (const model of [thumbnail(), digits()].filter(({ name }) => MODELS.includes(name))) await benchModel(model);
} finally {
  await cluster.stop();
  await database.stop();
  await rm(directory, { recursive: true, force: true });
}
process.exit();

async function benchModel(model: BenchModel): Promise<void> {
  await cluster.publish(model.name, model.file);
  await cluster.deploy({ name: model.name, model: model.name, version: 1, limits: { memMiB: 1_024 } });
  await cluster.whenDeploymentReady(model.name);
  const peerModel = await describe(model);
  const peers = new Map<string, PeerServer>();
  try {
    for (const [name, start] of Object.entries(PEERS).filter(([each]) => isWanted(each)))
      peers.set(name, await start(python, peerModel, directory));
    const skerry = [
      { name: "control plane", port: cluster.port },
      { name: "node", port: Number(new URL(node.localUrl).port) },
    ].filter(({ name }) => isWanted(name));
    const pids = [cluster.controlPlane.child.pid ?? 0, node.process.child.pid ?? 0];
    const ways: Way[] = [
      ...skerry.map(({ name, port }) => ({ name, target: targetOf(model, port), cpuMs: () => cpuOf(pids) })),
      ...[...peers].map(([name, { port, pid }]) => ({
        name,
        target: targetOf(model, port),
        cpuMs: () => treeCpuMs(pid),
      })),
    ];
    console.log(`\n${model.name}, ${targetOf(model, 0).body.byteLength} bytes, deadline ${DEADLINE_MS} ms`);
    await compareAnswers(ways);
    for (const { target } of ways) await warmUp(target);
    for (const connections of CONCURRENCY) await benchRounds(ways, connections);
  } finally {
    for (const peer of peers.values()) await peer.stop();
  }
}

async function benchRounds(ways: readonly Way[], connections: number): Promise<void> {
  const label = `c=${String(connections).padEnd(2)}`;
  const requests = new Map<string, number>();
  for (const { name, target } of ways) requests.set(name, await requestsIn(CELL_MS, target, connections));
  const rounds: Map<string, Turn>[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const turns = new Map<string, Turn>();
    // Another one begins each round: what ran just before is not always the same.
    const first = round % ways.length;
    for (const { name, target, cpuMs } of [...ways.slice(first), ...ways.slice(0, first)]) {
      const options = { connections, requests: requests.get(name) ?? 0, deadlineMs: DEADLINE_MS, cpuMs };
      turns.set(name, await goodputTurn(target, options));
    }
    rounds.push(turns);
  }
  printTurns(label, rounds);
  for (const name of ["control plane", "node"].filter(isWanted)) {
    const against = ["mosec", "triton"].map((peer) => {
      const others = Object.keys(PEERS).filter((each) => each.startsWith(peer) && isWanted(each));
      return `${timesTheBest(rounds, name, others).toFixed(2)} × ${peer}`;
    });
    console.log(`  ${label} → ${name}: goodput ${against.join(", ")}`);
  }
}

/** One row as JSON, with its numbers as Python's `tolist()` of FP32 gives them: 17 to 19 digits. */
function targetOf(model: BenchModel, port: number): HttpTarget {
  const { headers, ...target } = inferTarget(model, { port, key: cluster.adminKey, encoding: "json" });
  const request = JSON.parse(Buffer.from(target.body).toString("utf8")) as { inputs: { data: number[] }[] };
  for (const input of request.inputs) input.data = input.data.map(Math.fround);
  const body = Buffer.from(JSON.stringify(request));
  return { ...target, body, headers: { ...headers, "skerry-timeout-ms": String(DEADLINE_MS) } };
}

function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + treeCpuMs(pid), 0);
}

async function requestsIn(ms: number, target: HttpTarget, connections: number): Promise<number> {
  const { perSecond } = await httpLoad(target, {
    connections,
    requests: Math.max(100, connections * 4),
    refusals: REFUSALS,
  });
  return Math.max(connections * 4, Math.round((perSecond * ms) / 1_000));
}

async function warmUp(target: HttpTarget): Promise<void> {
  await httpLoad(target, { connections: 8, requests: await requestsIn(WARM_MS, target, 8), refusals: REFUSALS });
}

/** Throws when one answers something else than the others: it would not do the same work. */
async function compareAnswers(ways: readonly Way[]): Promise<void> {
  const answers: (readonly number[])[] = [];
  for (const { name, target } of ways) {
    const { port, path: to, headers, body } = target;
    const answer = await fetch(`http://127.0.0.1:${port}${to}`, {
      method: "POST",
      headers,
      body: new Uint8Array(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${name} answers ${answer.status} ${text}`);
    const { outputs } = JSON.parse(text) as { readonly outputs: readonly { readonly data: readonly number[] }[] };
    answers.push(outputs.flatMap(({ data }) => data));
    const [expected = [], own = []] = [answers[0], answers.at(-1)];
    const isEqual = expected.length === own.length && expected.every((value, i) => isClose(value, own[i]));
    if (!isEqual) throw new Error(`${name} answers ${own.join(" ")}, not ${expected.join(" ")}`);
  }
}

function isClose(a: number, b = Number.NaN): boolean {
  return Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(a));
}

/** The model as a file, with the shapes that Triton asks for. */
async function describe({ name, file, input, shape }: BenchModel): Promise<PeerModel> {
  const at = path.join(directory, `${name}.onnx`);
  await writeFile(at, file);
  const { outputs } = await openModel(at);
  return {
    name,
    file: at,
    input: { name: input, shape },
    outputs: outputs.map((output) => ({ name: output.name, shape: output.shape.slice(1) })),
  };
}

function mosec(
  processes: number,
  json: "json" | "orjson",
  ...[at, model, to]: readonly [python: string, model: PeerModel, directory: string]
): Promise<PeerServer> {
  return startMosec(at, model, { settings: { processes, json, maxBatch: MAX_BATCH }, directory: to });
}

function triton(
  instances: number,
  ...[at, model, to]: readonly [python: string, model: PeerModel, directory: string]
): Promise<PeerServer> {
  return startTriton(at, model, { settings: { instances, maxBatch: MAX_BATCH }, directory: to });
}
