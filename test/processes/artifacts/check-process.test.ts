import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { CheckProcess } from "../../../control-plane/adapters/artifacts/check-process.ts";
import type { UploadedBundle } from "../../../control-plane/ports/catalog/artifacts.ts";
import type { CheckedModel } from "../../../control-plane/ports/catalog/catalog.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { MODEL_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import { artifactDigest, chunksOf, manifest as manifestSchema } from "../../../shared/protocol/model-files/manifest.ts";
import {
  field,
  message,
  node,
  noise,
  onnx,
  onnxWithWeights,
  tensor,
  value,
  tensorType,
} from "../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";
import { childEnvironment } from "../../../control-plane/adapters/artifacts/child-output.ts";

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let directory: string;
const checks = new CheckProcess({ clock: systemClock });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-check-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const bundleOf = (...files: readonly UploadedBundle["files"][number][]) => ({
  model: "digits",
  version: 3,
  main: MODEL_FILE,
  files,
  editedPath: join(directory, "edited.part"),
});

async function fileOf(bytes: Uint8Array, declared: { bytes?: number; sha256?: string } = {}) {
  const path = join(directory, `${sha256(bytes).slice(0, 16)}.part`);
  await writeFile(path, bytes);
  return bundleOf({ name: MODEL_FILE, path, bytes: bytes.length, sha256: sha256(bytes), ...declared });
}

async function accepted(bytes: Uint8Array): Promise<CheckedModel> {
  const result = await checks.check(await fileOf(bytes));
  if (result.kind === "rejected") throw new Error(result.reason);
  return result.checked;
}

describe("the check of an uploaded file", () => {
  it("makes a manifest whose digests are those of the file's parts", async () => {
    const path = new URL("../../../examples/digits/models/digits.onnx", import.meta.url);
    const bytes = await readFile(path);
    const { manifest, artifact, opset, irVersion, inputs, outputs } = await accepted(bytes);
    expect({ opset, irVersion }).toEqual({ opset: 17, irVersion: 8 });
    expect(inputs).toEqual([{ name: "image", datatype: "FP32", shape: [-1, 1, 28, 28] }]);
    expect(outputs).toEqual(manifest.outputs);
    expect(manifestSchema.parse(manifest)).toEqual(manifest);
    expect(artifactDigest(manifest)).toBe(artifact);
    expect(manifest).toMatchObject({
      model: "digits",
      version: "3",
      limits: { memMiB: 320, maxBatch: 8, timeoutMs: 10_000 },
    });
    expect(manifest.files).toMatchObject([{ name: "model.onnx", size: bytes.length, sha256: sha256(bytes) }]);
    const chunks = chunksOf(manifest);
    expect(chunks.map(({ offset, length }) => sha256(bytes.subarray(offset, offset + length)))).toEqual(
      chunks.map((chunk) => chunk.sha256),
    );
    expect(chunks.reduce((sum, { length }) => sum + length, 0)).toBe(bytes.length);
  });

  it("gives a second version of 6 MiB all chunks of the first but the one that changed", async () => {
    const weights = noise(6 * MIB, 11);
    const before = chunksOf((await accepted(onnxWithWeights(weights))).manifest);
    weights.set(noise(4_000, 12), 3 * MIB);
    const after = chunksOf((await accepted(onnxWithWeights(weights))).manifest);
    const known = new Set(before.map((chunk) => chunk.sha256));
    expect(after.length).toBeGreaterThanOrEqual(20);
    expect(after.filter((chunk) => !known.has(chunk.sha256))).toHaveLength(1);
  });

  it("rejects a file that is shorter than declared", async () => {
    const bytes = onnx();
    const file = await fileOf(bytes.subarray(0, 50), { bytes: bytes.length, sha256: sha256(bytes) });
    expect(await checks.check(file)).toEqual({
      kind: "rejected",
      code: "DIGEST_MISMATCH",
      reason: `${bytes.length} bytes were declared and 50 are there`,
    });
  });

  it("rejects bytes with another digest", async () => {
    const file = await fileOf(onnx(), { sha256: "0".repeat(64) });
    const result = await checks.check(file);
    expect(result).toMatchObject({ kind: "rejected", code: "DIGEST_MISMATCH" });
    expect(result).toHaveProperty("reason", expect.stringContaining(sha256(onnx())));
  });

  it.each([
    ["a file that is no model", noise(100_000, 3), /not a whole ONNX file: at byte/],
    [
      "the first half of a model",
      onnx({ initializers: [tensor("w", [1_000])] }).subarray(0, 2_000),
      /the graph claims \d+ bytes where \d+ are left/,
    ],
    ["external data", onnx({ initializers: [tensor("w", [1], field(14, 1))] }), /external data/],
    [
      "a sequence as input",
      onnx({ inputs: [value("x", field(4, field(1, tensorType(1, [1]))))] }),
      /input "x" is a sequence/,
    ],
    ["a custom operator", onnx({ nodes: [node("Mine", field(7, "my.own"))] }), /from domain "my.own"/],
  ])("rejects %s with the reason", async (_what, bytes, reason) => {
    const result = await checks.check(await fileOf(bytes));
    expect(result).toMatchObject({ kind: "rejected", code: "INVALID_MODEL" });
    expect(result).toHaveProperty("reason", expect.stringMatching(reason));
  });

  it("rejects a decoder whose attributes are written as no exporter does", async () => {
    const bits = field(5, message(field(1, "bits"), field(3, Uint8Array.of(4))));
    const file = await fileOf(onnx({ nodes: [node("Identity", bits)] }));
    const result = await checks.check({ ...file, runtime: "generate" });
    expect(result).toMatchObject({ kind: "rejected", code: "INVALID_MODEL" });
    expect(result).toHaveProperty("reason", expect.stringMatching(/an attribute's number/));
  });

  it("rejects a file whose check takes longer than its deadline, and leaves no process", async () => {
    const impatient = new CheckProcess({ clock: systemClock, deadlineMs: () => 1 });
    const result = await impatient.check(await fileOf(onnx()));
    expect(result).toEqual({
      kind: "rejected",
      code: "INVALID_MODEL",
      reason: "its check took longer than 0 s and was stopped",
    });
  });

  it("throws when the file cannot be read, with the child's own words", async () => {
    const [file] = (await fileOf(onnx())).files;
    if (!file) throw new Error("there is one");
    const missing = bundleOf({ ...file, path: join(directory, "missing.part") });
    await expect(checks.check(missing)).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringMatching(/check of digits:3 ended with code 1: Error: ENOENT/),
    });
  });

  it("follows no link", async () => {
    const { symlink } = await import("node:fs/promises");
    const [file] = (await fileOf(onnx())).files;
    if (!file) throw new Error("there is one");
    const path = join(directory, "link.part");
    await symlink(file.path, path);
    await expect(checks.check(bundleOf({ ...file, path }))).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("ends when it is aborted, and begins none after that", async () => {
    const abort = new AbortController();
    const file = await fileOf(onnx());
    const running = Promise.allSettled([checks.check(file, abort.signal)]);
    abort.abort(new Error("the control plane stops"));
    const after = Promise.allSettled([checks.check(file, abort.signal)]);
    expect([...(await running), ...(await after)]).toEqual(
      Array.from({ length: 2 }, () => ({ status: "rejected", reason: new Error("the control plane stops") })),
    );
    expect(await checks.check(file)).toMatchObject({ kind: "accepted" });
  });
});

describe("the environment of a check", () => {
  it("names where compiled code is kept, and nothing else", () => {
    expect(childEnvironment()).toEqual({ NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] });
  });
});
