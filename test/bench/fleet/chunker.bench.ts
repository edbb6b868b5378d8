import { createHash } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckProcess } from "../../../control-plane/adapters/artifacts/check-process.ts";
import { Chunker } from "../../../control-plane/core/catalog/chunking/chunker.ts";
import { MODEL_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { noise, onnxWithWeights } from "../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";

/**
 * What a check costs: cutting alone, as a ratio to SHA-256 of the same bytes in the same round, and the whole check of a
 * large file with its process. Run it with `npm run bench -- chunker`.
 */
const MIB = 1024 * 1024;
const SAMPLE_MIB = 256;
const ROUNDS = 5;
const BLOCK_BYTES = MIB;

const sample = noise(SAMPLE_MIB * MIB, 1);

function measure(work: () => void): number {
  const startedAt = performance.now();
  work();
  return SAMPLE_MIB / ((performance.now() - startedAt) / 1_000);
}

function eachBlock(visit: (block: Uint8Array) => void): void {
  for (let at = 0; at < sample.length; at += BLOCK_BYTES) visit(sample.subarray(at, at + BLOCK_BYTES));
}

function cutAll(): readonly number[] {
  const chunker = new Chunker();
  const cuts: number[] = [];
  eachBlock((block) => cuts.push(...chunker.push(block)));
  const last = chunker.finish();
  return last === undefined ? cuts : [...cuts, last];
}

function hashAll(): void {
  const hash = createHash("sha256");
  eachBlock((block) => hash.update(block));
  hash.digest();
}

const percentile = (sorted: readonly number[], part: number): number =>
  sorted[Math.floor(part * (sorted.length - 1))] ?? 0;

function reportCutting(): void {
  for (let round = 1; round <= ROUNDS; round += 1) {
    const hashing = measure(hashAll);
    const cutting = measure(cutAll);
    console.log(
      `round ${round}: cuts ${cutting.toFixed(0)} MiB/s, SHA-256 ${hashing.toFixed(0)} MiB/s, ratio ${(cutting / hashing).toFixed(2)}`,
    );
  }
  const cuts = cutAll();
  const lengths = cuts.map((cut, index) => cut - (cuts[index - 1] ?? 0)).toSorted((a, b) => a - b);
  const kib = (part: number): string => (percentile(lengths, part) / 1024).toFixed(0);
  console.log(
    `chunks: mean ${(sample.length / lengths.length / 1024).toFixed(0)} KiB, p10 ${kib(0.1)}, median ${kib(0.5)}, p90 ${kib(0.9)}, longest ${kib(1)}`,
  );
}

/** Writes an ONNX file of `megabytes` and hands it to the real check. */
async function reportCheck(megabytes: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "skerry-bench-"));
  try {
    const path = join(directory, "model.onnx");
    const bytes = onnxWithWeights(noise(megabytes * 1_000_000, 2));
    const file = await open(path, "w");
    await file.writeFile(bytes);
    await file.close();
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const checks = new CheckProcess({ clock: systemClock });
    for (let round = 1; round <= 3; round += 1) {
      const startedAt = performance.now();
      const files = [{ name: MODEL_FILE, path, bytes: bytes.length, sha256 }];
      const result = await checks.check({
        model: "bench",
        version: 1,
        main: MODEL_FILE,
        files,
        editedPath: `${path}.edited`,
      });
      const seconds = (performance.now() - startedAt) / 1_000;
      const chunks = result.kind === "accepted" ? result.checked.manifest.files[0]?.chunks.length : result.reason;
      console.log(
        `check of ${megabytes} MB: ${seconds.toFixed(2)} s (${(bytes.length / MIB / seconds).toFixed(0)} MiB/s), ${chunks} chunks`,
      );
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

reportCutting();
await reportCheck(1);
await reportCheck(200);
