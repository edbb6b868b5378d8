import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { ProcessModelHosts } from "../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostSpec, ModelHost } from "../../../edge-node/ports/model-hosts.ts";
import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import type { EncoderModel } from "../../../shared/text/encoder-model.ts";
import { findFiles } from "../../../cli/models/find-files.ts";
import { MINILM_FOLDER } from "../../support/models/text/minilm.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { pythonWith } from "../../support/processes/engines/python-environment.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort } from "../../support/processes/skerry-process.ts";
import { quantile } from "../../support/quantile.ts";
import { cpuMs, treeCpuMs } from "../support/cpu-time.ts";
import { httpLoad, type HttpTarget } from "../support/http-load.ts";
import { startServer } from "../support/peers/peer-server.ts";

/**
 * all-MiniLM-L6-v2 with 8-bit weights, one thread, in turns: CPU of the model host for each text, alone and 8 together, beside
 * Python's onnxruntime and tokenizers (goals 1.05 and 1.15 times theirs); and requests a second through `/v1/embeddings` of a control
 * plane with one node beside MLServer, which runs the same arithmetic of Python with its adaptive batching (goal 2 times as many).
 * `examples/embed/start.sh ~/.cache/skerry/minilm-1.0.0` fetches the model.
 *
 *   npm run bench -- embeddings
 *   ROUNDS=3 npm run bench -- embeddings
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const RUNS = 120;
const CALLERS = [1, 8] as const;
const REQUESTS = 240;
const GOALS = { alone: 1.05, together: 1.15, throughput: 2 };
const PEERS = path.join(import.meta.dirname, "../support/peers");
const TEXTS = [
  "A harbour at night, seen from the control room.",
  "The pump on island two reports high pressure and asks for help before the storm.",
  "一个边缘节点失去连接",
];
const EIGHT = Array.from({ length: 8 }, (_, at) => TEXTS[at % TEXTS.length] ?? "");

if (!existsSync(path.join(MINILM_FOLDER, "model.onnx")))
  throw new Error(`run examples/embed/start.sh ${path.dirname(MINILM_FOLDER)} first`);
const python = await pythonWith(path.join(PEERS, "requirements-encoder.txt"));
const directory = await mkdtemp(path.join(tmpdir(), "skerry-embeddings-"));
const mlserver = await startMlserver();
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
try {
  const node = await cluster.addNode("edge-a");
  const { main, files } = await findFiles(MINILM_FOLDER);
  const bundle: Record<string, Uint8Array> = {};
  for (const { local, path: name } of files) bundle[name] = await readFile(local);
  await cluster.publishBundle("minilm", bundle, { runtime: "embed", main });
  await cluster.deploy({ name: "minilm", model: "minilm", version: 1, placement: { edge: { min: 1 } } });
  await cluster.whenDeploymentReady("minilm", 120_000);
  const { encoder } = await cluster.get<ModelVersion>("/models/minilm/versions/1");
  if (encoder === null) throw new Error("minilm was not recognised as an encoder");
  await inTheHost(encoder);
  const agent = node.process.child.pid ?? 0;
  await besideMlserver([cluster.controlPlane.child.pid ?? 0, agent, ...(await modelHostsOf(agent))]);
} finally {
  await mlserver.stop();
  await cluster.stop();
  await database.stop();
  await rm(directory, { recursive: true, force: true });
}
process.exit();

/** CPU of the host's process, its share of decoding and encoding included, against Python's. */
async function inTheHost(encoder: EncoderModel): Promise<void> {
  const hosts = new ProcessModelHosts({ workDirectory: path.join(directory, "hosts") });
  const spec: HostSpec = {
    placementId: "bench",
    model: "minilm",
    version: "1",
    directory: MINILM_FOLDER,
    limits: { memMiB: 0, maxBatch: 32, queue: 64, timeoutMs: 60_000 },
    encoder,
  };
  const host = await hosts.start(spec, () => undefined, new AbortController().signal);
  const [pid = 0] = await modelHostsOf(process.pid);
  for (const [how, texts] of [
    ["alone", EIGHT.slice(0, 1)],
    ["together", EIGHT],
  ] as const) {
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await hostMs(host, pid, texts));
      theirs.push(await pythonMs(texts));
    }
    const [best, bare] = [Math.min(...ours), Math.min(...theirs)];
    const verdict = best / bare <= GOALS[how] ? "met" : "MISSED";
    console.log(
      `${texts.length} text${texts.length > 1 ? "s together" : " alone"}: ${best.toFixed(2)} ms CPU a text in the host, ${bare.toFixed(2)} in Python: ${(best / bare).toFixed(3)} × (goal ${GOALS[how]}: ${verdict})`,
    );
  }
  await host.stop(0);
}

/** The host always has the next request, as Python has; no two requests share a run. */
async function hostMs(host: ModelHost, pid: number, texts: readonly string[]): Promise<number> {
  const runs = Math.ceil(RUNS / Math.sqrt(texts.length));
  const body = Buffer.from(JSON.stringify({ openai: "embedding", request: { model: "minilm", input: texts } }));
  const asked = { body, headerLength: JSON_BODY, timeoutMs: 60_000, maxRows: texts.length };
  const askOnce = async (): Promise<void> => {
    const { body: answer } = await host.infer(asked);
    if (answer instanceof Uint8Array) throw new Error(Buffer.from(answer).toString("utf8"));
    for (let piece = await answer.next(); piece !== undefined; piece = await answer.next())
      answer.passed(piece.byteLength);
  };
  const ask = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at += 1) await askOnce();
  };
  await ask(Math.max(20, 100 / texts.length)); // V8 compiles meanwhile
  const before = cpuMs(pid);
  await Promise.all([ask(runs / 2), ask(runs / 2)]);
  return (cpuMs(pid) - before) / (2 * Math.ceil(runs / 2)) / texts.length;
}

async function pythonMs(texts: readonly string[]): Promise<number> {
  const runs = Math.ceil(RUNS / Math.sqrt(texts.length));
  const args = [path.join(PEERS, "bare_encoder.py"), MINILM_FOLDER, String(texts.length), String(runs), ...TEXTS];
  const { stdout } = await promisify(execFile)(python, args);
  return (JSON.parse(stdout) as { msPerText: number }).msPerText;
}

/** `pids`: all processes of ours. */
async function besideMlserver(pids: readonly number[]): Promise<void> {
  const used = {
    ours: () => pids.reduce((sum, pid) => sum + cpuMs(pid), 0),
    theirs: () => treeCpuMs(mlserver.pid),
  };
  for (const connections of CALLERS) {
    const rates: Record<"ours" | "theirs", number[]> = { ours: [], theirs: [] };
    const cpu: Record<"ours" | "theirs", number[]> = { ours: [], theirs: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [who, target] of [
        ["ours", ours(EIGHT.slice(1, 2))],
        ["theirs", theirs(EIGHT.slice(1, 2))],
      ] as const) {
        await httpLoad(target, { connections, requests: 5 * connections });
        const before = used[who]();
        rates[who].push((await httpLoad(target, { connections, requests: REQUESTS })).perSecond);
        cpu[who].push((used[who]() - before) / REQUESTS);
      }
    }
    const ratio = quantile(
      rates.ours.map((rate, at) => rate / (rates.theirs[at] ?? Number.NaN)),
      0.5,
    );
    const verdict = ratio >= GOALS.throughput ? "met" : "MISSED";
    console.log(
      `${connections} caller${connections > 1 ? "s" : ""}: ${Math.max(...rates.ours).toFixed(0)} embeddings/s through the control plane, ${Math.max(...rates.theirs).toFixed(0)} of MLServer at its own port; median ratio ${ratio.toFixed(2)} × (goal ${GOALS.throughput}: ${verdict}); ${Math.min(...cpu.ours).toFixed(1)} and ${Math.min(...cpu.theirs).toFixed(1)} ms CPU each`,
    );
  }
}

function ours(texts: readonly string[]): HttpTarget {
  return {
    port: Number(new URL(cluster.url).port),
    path: "/v1/embeddings",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
    body: Buffer.from(JSON.stringify({ model: "minilm", input: texts })),
  };
}

function theirs(texts: readonly string[]): HttpTarget {
  const inputs = [{ name: "texts", shape: [texts.length], datatype: "BYTES", data: texts }];
  return {
    port: mlserver.port,
    path: "/v2/models/minilm/infer",
    headers: { "content-type": "application/json" },
    body: Buffer.from(JSON.stringify({ inputs })),
  };
}

/** With one process for the model, as it is without settings, and up to 32 requests in a run, for which it waits 2 ms at most. */
async function startMlserver() {
  const folder = path.join(directory, "mlserver/minilm");
  await mkdir(folder, { recursive: true });
  const program = "mlserver_encoder.py";
  await copyFile(path.join(PEERS, program), path.join(folder, program));
  const [port, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const settings = { http_port: port, grpc_port: grpc, metrics_port: metrics, host: "127.0.0.1", debug: false };
  await writeFile(path.join(folder, "../settings.json"), JSON.stringify(settings));
  await writeFile(
    path.join(folder, "model-settings.json"),
    JSON.stringify({
      name: "minilm",
      implementation: "mlserver_encoder.Encoder",
      parameters: { uri: MINILM_FOLDER },
      max_batch_size: 32,
      max_batch_time: 0.002,
    }),
  );
  const command = [path.join(path.dirname(python), "mlserver"), "start", path.dirname(folder)];
  const log = path.join(directory, "mlserver.log");
  return startServer(command, { port, env: { PYTHONPATH: folder }, log, readyPath: "/v2/models/minilm/ready" });
}
