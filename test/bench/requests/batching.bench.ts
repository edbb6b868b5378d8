import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Cancellation } from "../../../shared/flow/cancellation.ts";
import { ProcessModelHosts } from "../../../edge-node/adapters/host-process/model-hosts.ts";
import { InferenceWorker } from "../../../edge-node/app/inference/inference-worker.ts";
import { openModel } from "../../../edge-node/model-host/onnx/model.ts";
import type { ModelHost } from "../../../edge-node/ports/model-hosts.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { denseModel, softmaxModel } from "../../support/models/onnx/onnx-models.ts";

/**
 * Rows a second through one model host, as a node uses it (queue, link, decode, run, encode), with and without batching,
 * against ONNX Runtime alone in this process: one row a run, and 32. Every variant takes its turn in every round, so a
 * busy machine slows all of them. `BATCHES=8,16,32,64` compares other sizes; `JSON=1` sends JSON bodies.
 */
const ROUNDS = 5;
const ROUND_MS = 300;
const IN_FLIGHT = [1, 8, 32, 128];
const BATCHES = [1, ...(process.env["BATCHES"] ?? "32").split(",").map(Number)];
const binary = process.env["JSON"] !== "1";

const MODELS: Readonly<Record<string, { readonly file: Uint8Array | string; readonly shape: readonly number[] }>> = {
  "softmax 784→10": { file: softmaxModel(), shape: [1, 784] },
  "digits CNN 28×28": {
    file: path.join(import.meta.dirname, "../../../examples/digits/models/digits.onnx"),
    shape: [1, 1, 28, 28],
  },
  "dense 6 × 1024": { file: denseModel({ width: 1_024, layers: 6 }), shape: [1, 1_024] },
};

const directory = await mkdtemp(path.join(tmpdir(), "skerry-batching-"));
const hosts = new ProcessModelHosts({ workDirectory: path.join(directory, "work") });

/** Successes of `call` a second, with `depth` calls under way. */
async function rate(call: () => Promise<boolean>, depth: number): Promise<number> {
  const start = performance.now();
  let done = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - start < ROUND_MS) {
      if (await call()) done += 1;
      else await new Promise((resolve) => setTimeout(resolve, 1)); // refused at once: give the others their turn
    }
  };
  await Promise.all(Array.from({ length: depth }, caller));
  return done / ((performance.now() - start) / 1_000);
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

async function measure(name: string, { file, shape }: (typeof MODELS)[string]): Promise<void> {
  const folder = await mkdtemp(path.join(directory, "model-"));
  const target = path.join(folder, "model.onnx");
  await (typeof file === "string" ? copyFile(file, target) : writeFile(target, file));

  const model = await openModel(target);
  const input = model.inputs[0]?.name ?? "x";
  const outputs = model.outputs.map((output) => output.name);
  const width = shape.reduce((product, size) => product * size, 1);
  const rows = (count: number) => ({
    name: input,
    datatype: "FP32" as const,
    shape: [count, ...shape.slice(1)],
    data: Float32Array.from({ length: count * width }, (_, i) => (i % 97) / 97),
  });
  const [one, many] = [rows(1), rows(32)];
  const request = encodeRequest({ inputs: [{ tensor: one, binary }], binaryOutput: binary });

  const worker = new InferenceWorker({ clock: systemClock, nodeName: "here", nodeKind: "edge" });
  const started: ModelHost[] = [];
  for (const maxBatch of BATCHES) {
    const placementId = `p-${maxBatch}`;
    const limits = { memMiB: 512, maxBatch, queue: 1_024, timeoutMs: 10_000 };
    const spec = { placementId, model: "m", version: "1", directory: folder, limits };
    const host = await hosts.start(spec, () => undefined, new AbortController().signal);
    started.push(host);
    worker.serve(spec, host);
  }
  const through = (maxBatch: number) => async () => {
    const { status } = await worker.infer({
      ...request,
      placementId: `p-${maxBatch}`,
      deadlineMs: 30_000,
      edgeOnly: false,
      priority: 0,
      cancellation: new Cancellation(),
    });
    return status === 200;
  };
  const inProcess = (tensor: typeof one) => async () => (await model.run([tensor], outputs)).length > 0;
  const results = new Map<string, number[]>();
  const baselines: { readonly alone: number[]; readonly together: number[] } = { alone: [], together: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const alone = await rate(inProcess(one), 1);
    const together = 32 * (await rate(inProcess(many), 1));
    if (round > 0) {
      baselines.alone.push(alone);
      baselines.together.push(together);
    }
    for (const depth of IN_FLIGHT) {
      for (const maxBatch of BATCHES) {
        const value = await rate(through(maxBatch), depth);
        const key = `${depth} ${maxBatch}`;
        if (round > 0) results.set(key, [...(results.get(key) ?? []), value]);
      }
    }
  }
  await Promise.all(started.map((host) => host.stop(1_000)));

  const [base, batched] = [median(baselines.alone), median(baselines.together)];
  const unbatched = started[1]?.noBatchReason;
  console.log(`\n${name}${unbatched === undefined ? "" : ` (no batching: ${unbatched})`}`);
  console.log(
    `  ONNX Runtime in this process: ${base.toFixed(0)} rows/s one by one (${(1e6 / base).toFixed(0)} µs), ${batched.toFixed(0)} in batches of 32`,
  );
  for (const depth of IN_FLIGHT) {
    const plain = median(results.get(`${depth} 1`) ?? []);
    const cells = BATCHES.map((maxBatch) => {
      const value = median(results.get(`${depth} ${maxBatch}`) ?? []);
      const gain = maxBatch === 1 ? "" : `, ${(value / plain).toFixed(2)} × without`;
      return `maxBatch ${maxBatch}: ${value.toFixed(0)}/s (${((100 * value) / base).toFixed(0)} % of in process${gain})`;
    });
    console.log(`  ${String(depth).padStart(3)} in flight  ${cells.join(" · ")}`);
  }
  console.log(
    `  memory: ${started.map((host, i) => `maxBatch ${BATCHES[i]} ${host.rssMiB().toFixed(0)} MiB`).join(", ")}`,
  );
}

for (const [name, model] of Object.entries(MODELS)) await measure(name, model);
await rm(directory, { recursive: true });
