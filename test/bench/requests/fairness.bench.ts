import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Cancellation } from "../../../shared/flow/cancellation.ts";
import { ProcessModelHosts } from "../../../edge-node/adapters/host-process/model-hosts.ts";
import { InferenceWorker } from "../../../edge-node/app/inference/inference-worker.ts";
import type { ModelHost } from "../../../edge-node/ports/model-hosts.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { denseModel } from "../../support/models/onnx/onnx-models.ts";
import { quantile } from "../../support/quantile.ts";

/**
 * What hot models do to a quiet one on the same node. Every host is a process with one computing thread, so the kernel
 * divides the cores: with h hot hosts a quiet one may be slowed by (h + 2) / cores, the agent counted as one more. The
 * quiet model is asked once every 5 ms; the hot ones have 64 requests in flight each. The variants take turns.
 */
const ROUNDS = 6;
const ASKED = 60;
const HOT = [0, 1, 3];
const IN_FLIGHT = 64;

const directory = await mkdtemp(path.join(tmpdir(), "skerry-fairness-"));
await writeFile(path.join(directory, "model.onnx"), denseModel({ width: 512, layers: 6 }));
const hosts = new ProcessModelHosts({ workDirectory: path.join(directory, "work") });
const worker = new InferenceWorker({ clock: systemClock, nodeName: "here", nodeKind: "edge" });
const started: ModelHost[] = [];
for (const placementId of ["quiet", "hot-1", "hot-2", "hot-3"]) {
  const limits = { memMiB: 512, maxBatch: 32, queue: 64, timeoutMs: 10_000 };
  const spec = { placementId, model: placementId, version: "1", directory, limits };
  const host = await hosts.start(spec, () => undefined, new AbortController().signal);
  started.push(host);
  worker.serve(spec, host);
}

const data = Float32Array.from({ length: 512 }, (_, i) => (i % 97) / 97);
const tensor = { name: "x", datatype: "FP32" as const, shape: [1, 512], data };
const request = encodeRequest({ inputs: [{ tensor, binary: true }], binaryOutput: true });
async function ask(placementId: string): Promise<boolean> {
  const rest = { placementId, deadlineMs: 30_000, edgeOnly: false, priority: 0, cancellation: new Cancellation() };
  return (await worker.infer({ ...request, ...rest })).status === 200;
}

/** Keeps a model busy until `signal`; resolves to its answers. */
async function heat(placementId: string, signal: AbortSignal): Promise<number> {
  let done = 0;
  const caller = async (): Promise<void> => {
    while (!signal.aborted) {
      if (await ask(placementId)) done += 1;
      else await sleep(1);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  return done;
}

const samples = new Map(HOT.map((hot) => [hot, [] as number[]]));
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const hot of HOT) {
    const stop = new AbortController();
    const heating = Array.from({ length: hot }, (_, i) => heat(`hot-${i + 1}`, stop.signal));
    for (let i = 0; i < ASKED; i += 1) {
      await sleep(5);
      const before = performance.now();
      await ask("quiet");
      if (round > 0) samples.get(hot)?.push(performance.now() - before);
    }
    stop.abort();
    await Promise.all(heating);
  }
}
await Promise.all(started.map((host) => host.stop(1_000)));
await rm(directory, { recursive: true });

const cores = availableParallelism();
const alone = samples.get(0) ?? [];
console.log(`a quiet model on ${cores} cores, ms`);
for (const [hot, values] of samples) {
  const [p50, p99] = [quantile(values, 0.5), quantile(values, 0.99)];
  const share = Math.max(1, (hot + 2) / cores).toFixed(1);
  console.log(
    `  beside ${hot} hot: p50 ${p50.toFixed(2)} (${(p50 / quantile(alone, 0.5)).toFixed(1)} × alone, fair share ${share} ×)  p99 ${p99.toFixed(2)} (${(p99 / quantile(alone, 0.99)).toFixed(1)} × alone)`,
  );
}
