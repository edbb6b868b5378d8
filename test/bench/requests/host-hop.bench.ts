import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../edge-node/adapters/host-process/model-hosts.ts";
import { OutputText } from "../../../edge-node/model-host/onnx/output-text.ts";
import { ResponseSizes } from "../../../edge-node/model-host/onnx/response-size.ts";
import { RunSharing } from "../../../edge-node/model-host/onnx/batching/run-sharing.ts";
import { openModel } from "../../../edge-node/model-host/onnx/model.ts";
import { Batch } from "../../../edge-node/model-host/onnx/batching/batch.ts";
import type { ModelHost } from "../../../edge-node/ports/model-hosts.ts";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { softmaxModel } from "../../support/models/onnx/onnx-models.ts";
import { quantile } from "../../support/quantile.ts";

/**
 * What it costs to run a model in another process: the round trip through the model host minus the same decode, run and
 * encode in this process, for 784 floats as a binary tensor. All variants take turns in the same run, so a busy
 * machine slows all of them. Goal: at most 100 µs at the median.
 */
const ROUNDS = 40;
const CALLS = 200;
const GOAL_US = 100;

const directory = await mkdtemp(path.join(tmpdir(), "skerry-hop-"));
const file = path.join(directory, "model.onnx");
await writeFile(file, softmaxModel());

const spec = {
  placementId: "p-1",
  model: "softmax",
  version: "1",
  directory,
  limits: { memMiB: 512, maxBatch: 1, queue: 64, timeoutMs: 10_000 },
};
const startHost = (entry?: string): Promise<ModelHost> =>
  new ProcessModelHosts({
    workDirectory: path.join(directory, "work"),
    ...(entry === undefined ? {} : { entry }),
  }).start(spec, () => undefined, new AbortController().signal);

const model = await openModel(file);
const hosted = {
  model,
  name: "softmax",
  version: "1",
  sharing: new RunSharing({ isAllowed: false, onStopped: () => undefined }),
  texts: new OutputText(file),
  responseSizes: new ResponseSizes(model.dimensions),
};
const blocking = await startHost();
const eventLoop = await startHost(path.join(import.meta.dirname, "../support/event-loop-host.ts"));

const tensor = {
  name: "x",
  datatype: "FP32" as const,
  shape: [1, 784],
  data: Float32Array.from({ length: 784 }, (_, i) => i / 784),
};
const request = encodeRequest({ inputs: [{ tensor, binary: true }], binaryOutput: true });
const throughHost = (host: ModelHost) => () => host.infer({ ...request, timeoutMs: 10_000, maxRows: 1 });
function inThisProcess(): Promise<unknown> {
  const batch = new Batch(hosted, 1);
  batch.add(request);
  return batch.answers();
}

const variants: Readonly<Record<string, () => Promise<unknown>>> = {
  "in this process": inThisProcess,
  "model host (blocking reads)": throughHost(blocking),
  "alternative: host with an event loop": throughHost(eventLoop),
};

const samples = new Map(Object.keys(variants).map((name) => [name, [] as number[]]));
for (let round = 0; round < ROUNDS + 5; round += 1) {
  for (const [name, call] of Object.entries(variants)) {
    for (let i = 0; i < CALLS; i += 1) {
      const before = performance.now();
      await call();
      if (round >= 5) samples.get(name)?.push((performance.now() - before) * 1_000);
    }
  }
}

const baseline = quantile(samples.get("in this process") ?? [], 0.5);
console.log("784 floats, binary, one at a time (µs)");
for (const [name, values] of samples) {
  const median = quantile(values, 0.5);
  const added =
    name === "in this process"
      ? ""
      : `  hop ${(median - baseline).toFixed(0)} µs, ${(median / baseline).toFixed(1)} × in process`;
  console.log(
    `  ${name.padEnd(38)} p50 ${median.toFixed(1).padStart(7)}  p99 ${quantile(values, 0.99).toFixed(1).padStart(8)}${added}`,
  );
}

async function throughput(call: () => Promise<unknown>, depth: number): Promise<number> {
  let left = 4_000;
  const before = performance.now();
  await Promise.all(
    Array.from({ length: depth }, async () => {
      while (left-- > 0) await call();
    }),
  );
  return 4_000 / ((performance.now() - before) / 1_000);
}

console.log("answers a second with so many under way at once");
for (const depth of [1, 2, 4, 8, 16]) {
  const cells = [];
  for (const [name, call] of Object.entries(variants))
    cells.push(`${name} ${(await throughput(call, depth)).toFixed(0)}`);
  console.log(`  ${String(depth).padStart(2)}: ${cells.join(" · ")}`);
}

const hop = quantile(samples.get("model host (blocking reads)") ?? [], 0.5) - baseline;
console.log(`hop ${hop.toFixed(0)} µs at the median; goal ≤ ${GOAL_US} µs: ${hop <= GOAL_US ? "met" : "MISSED"}`);
await Promise.all([blocking.stop(1_000), eventLoop.stop(1_000)]);
await rm(directory, { recursive: true });
