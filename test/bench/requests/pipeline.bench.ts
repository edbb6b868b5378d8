import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse, stringify } from "yaml";
import { openDecoders } from "../../../edge-node/model-host/pipeline/picture-decoders.ts";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { pythonWith } from "../../support/processes/engines/python-environment.ts";
import { freePort } from "../../support/processes/skerry-process.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { quantile } from "../../support/quantile.ts";
import { treeCpuMs } from "../support/cpu-time.ts";
import { httpLoad, type HttpTarget } from "../support/http-load.ts";
import { startServer } from "../support/peers/peer-server.ts";

/**
 * A digit from a JPEG file at a node: decode, resize, normalise, run, decide. Beside it the bare tensor (the same version,
 * `skerry_stages: infer`), and a server with FastAPI, Pillow and ONNX Runtime that does the same, with one process and with two. All of
 * them also with Pillow's `draft`, which decodes the file smaller. Skerry has one model host. Every round asks each of them in turn, one request at a time and then eight at once. CPU is that of the
 * server's processes: of a machine that others use too, it says more than requests a second.
 *
 *   npm run bench -- pipeline
 *   ROUNDS=3 REQUESTS=1000 npm run bench -- pipeline
 *
 * "Beyond the decoder" is the p50 of the JPEG minus that of the bare tensor minus that of the decoder alone, which is called in
 * this process between the turns.
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const REQUESTS = Number(process.env["REQUESTS"] ?? 2_000);
const CONNECTIONS = 8;
const EXAMPLE = path.join(import.meta.dirname, "../../../examples/digits");
const MODEL = "read-digit";
/** As `MODEL`, but for the draft. */
const DRAFTED = "read-draft";
const PIXELS = 784;
/** Of the JPEG file. */
const EDGE = 112;

const python = await pythonWith(path.join(import.meta.dirname, "../support/peers/requirements-digits.txt"));
const directory = await mkdtemp(path.join(tmpdir(), "skerry-pipeline-bench-"));
const jpeg = await readFile(path.join(EXAMPLE, "seven.jpg"));
const graph = path.join(EXAMPLE, "models/digits.onnx");
const { decodeJpeg } = await openDecoders();
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
const node = await cluster.addNode("edge-a");
const peers = await Promise.all([1, 2].map(startPeer));
try {
  const document = await readFile(path.join(EXAMPLE, "pipeline.yaml"));
  await serve(MODEL, document);
  await serve(DRAFTED, Buffer.from(withDraft(document.toString("utf8"))));
  await measure();
} finally {
  for (const peer of peers) await peer.stop();
  await cluster.stop();
  await database.stop();
  await rm(directory, { recursive: true, force: true });
}
process.exit();

async function serve(model: string, document: Uint8Array): Promise<void> {
  const files = { "pipeline.yaml": document, "models/digits.onnx": await readFile(graph) };
  await cluster.publishBundle(model, files, { runtime: "pipeline", main: "pipeline.yaml" });
  await cluster.deploy({ name: model, model, version: 1 });
  await cluster.whenDeploymentReady(model);
}

function withDraft(document: string): string {
  const { steps, ...rest } = parse(document) as { readonly steps: readonly Readonly<Record<string, object>>[] };
  const drafted = { "decode-image": { ...steps[0]?.["decode-image"], draft: { width: 28, height: 28 } } };
  return stringify({ ...rest, steps: steps.with(0, drafted) });
}

async function startPeer(processes: number) {
  const port = await freePort();
  const options = ["--host", "127.0.0.1", "--port", String(port), "--workers", String(processes)];
  const more = [
    "--log-level",
    "warning",
    "--no-access-log",
    "--app-dir",
    path.join(import.meta.dirname, "../support/peers"),
  ];
  return startServer([python, "-m", "uvicorn", "digit_server:app", ...options, ...more], {
    port,
    env: { DIGITS: graph },
    log: path.join(directory, `fastapi-${processes}.log`),
    readyPath: "/ready",
  });
}

function targets(): Readonly<Record<string, HttpTarget>> {
  const at = { port: Number(new URL(node.localUrl).port), path: `/v2/models/${MODEL}/infer` };
  const headers = { "content-type": "application/octet-stream" };
  const raw = { ...headers, "inference-header-content-length": "0" };
  const data = Float32Array.from({ length: PIXELS }, (_, i) => ((i * 7) % 256) / 255);
  const tensor = { name: "image", datatype: "FP32" as const, shape: [1, 1, 28, 28], data };
  const parameters = { skerry_stages: "infer" };
  const bare = encodeRequest({ inputs: [{ tensor, binary: true }], binaryOutput: true, parameters });
  return {
    "bare tensor": {
      ...at,
      headers: { ...headers, "inference-header-content-length": String(bare.headerLength) },
      body: bare.body,
    },
    jpeg: { ...at, headers: raw, body: jpeg },
    draft: { ...at, path: `/v2/models/${DRAFTED}/infer`, headers: raw, body: jpeg },
    ...Object.fromEntries(
      peers.flatMap(({ port }, i) => {
        const asked = { port, headers: { "content-type": "image/jpeg" }, body: jpeg };
        return [
          [`fastapi × ${i + 1}`, { ...asked, path: "/infer" }],
          [`fastapi × ${i + 1}, draft`, { ...asked, path: "/infer?draft=1" }],
        ];
      }),
    ),
  };
}

async function measure(): Promise<void> {
  const all = targets();
  const alone = new Map<string, number[]>();
  const together = new Map<string, number[]>();
  const cpu = new Map<string, number[]>();
  const decoder: number[] = [];
  for (const target of Object.values(all)) await httpLoad(target, { connections: CONNECTIONS, requests: REQUESTS });
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, target] of Object.entries(all)) {
      const { latencies } = await httpLoad(target, { connections: 1, requests: REQUESTS / 4 });
      push(alone, name, quantile(latencies, 0.5));
      const before = cpuMsOf(target);
      const { perSecond } = await httpLoad(target, { connections: CONNECTIONS, requests: REQUESTS });
      push(together, name, perSecond);
      push(cpu, name, ((cpuMsOf(target) - before) * 1_000) / REQUESTS);
    }
    decoder.push(quantile(Array.from({ length: REQUESTS / 4 }, decodeMs), 0.5));
  }
  console.log(
    `${ROUNDS} rounds, ${jpeg.length} bytes of JPEG; p50 with one connection, requests/s with ${CONNECTIONS}; medians`,
  );
  for (const name of Object.keys(all))
    console.log(
      `  ${name.padEnd(18)} p50 ${median(alone, name).toFixed(3)} ms   ${median(together, name).toFixed(0)}/s   ${median(cpu, name).toFixed(0)} µs of CPU`,
    );
  const decoderMs = quantile(decoder, 0.5);
  const beyond = rounds((i) => valueAt(alone, "jpeg", i) - valueAt(alone, "bare tensor", i) - (decoder[i] ?? 0));
  console.log(`  decoder      p50 ${decoderMs.toFixed(3)} ms`);
  console.log(`beyond the decoder: ${quantile(beyond, 0.5).toFixed(3)} ms (${range(beyond)})`);
  for (const [ours, theirs] of [
    ["jpeg", "fastapi × 1"],
    ["jpeg", "fastapi × 2"],
    ["draft", "fastapi × 1, draft"],
    ["draft", "fastapi × 2, draft"],
    ["draft", "fastapi × 1"],
  ] as const) {
    const ratios = rounds((i) => valueAt(together, ours, i) / valueAt(together, theirs, i));
    const spent = rounds((i) => valueAt(cpu, ours, i) / valueAt(cpu, theirs, i));
    const saved = `${quantile(ratios, 0.5).toFixed(2)} × requests/s (${range(ratios)})`;
    console.log(`${ours} and ${theirs}: ${saved}, ${quantile(spent, 0.5).toFixed(2)} × CPU (${range(spent)})`);
  }
}

/** Of the server that answers at the target's port: the node with its hosts, or the peer with its workers. */
function cpuMsOf({ port }: HttpTarget): number {
  const pid = peers.find((peer) => peer.port === port)?.pid ?? node.process.child.pid ?? 0;
  return treeCpuMs(pid);
}

function decodeMs(): number {
  const before = performance.now();
  decodeJpeg(jpeg, { width: EDGE, height: EDGE, channels: 3, of: { width: EDGE, height: EDGE } });
  return performance.now() - before;
}

function push(to: Map<string, number[]>, name: string, value: number): void {
  const known = to.get(name);
  if (known === undefined) to.set(name, [value]);
  else known.push(value);
}
function median(of: ReadonlyMap<string, readonly number[]>, name: string): number {
  return quantile(of.get(name) ?? [], 0.5);
}
function valueAt(of: ReadonlyMap<string, readonly number[]>, name: string, i: number): number {
  return of.get(name)?.[i] ?? Number.NaN;
}
function rounds(of: (i: number) => number): readonly number[] {
  return Array.from({ length: ROUNDS }, (_, i) => of(i));
}
function range(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)}`;
}
