import { z } from "zod";
import { tensorSpec } from "../../protocol/manifest.ts";
import { aliasName, instant, labelMap, objectName, sha256Hex, versionNumber } from "./common.ts";

export const model = z
  .object({
    name: objectName,
    labels: labelMap,
    /** Alias → version number. */
    aliases: z.record(z.string(), versionNumber),
    latestVersion: versionNumber.nullable(),
    createdAt: instant,
  })
  .meta({ id: "Model" });
export type Model = z.infer<typeof model>;

export const createModel = z.strictObject({ name: objectName, labels: labelMap.default({}) });
export const patchModel = z.strictObject({ labels: labelMap });

/** `uploading → checking → ready | rejected(reason)`, later `archived`. Only `ready` can be placed. */
export const versionState = z.enum(["uploading", "checking", "ready", "rejected", "archived"]);

export const modelVersion = z
  .object({
    model: objectName,
    version: versionNumber,
    state: versionState,
    /** Why it was rejected, in a sentence; null otherwise. */
    reason: z.string().nullable(),
    /** SHA-256 of the file, `sha256:` and hex. */
    digest: z.string(),
    /** Name of the artifact (digest of its manifest), once checked. */
    artifact: z.string().nullable(),
    bytes: z.number().int(),
    format: z.literal("onnx"),
    opset: z.number().int().nullable(),
    irVersion: z.number().int().nullable(),
    producer: z.string().nullable(),
    inputs: z.array(tensorSpec),
    outputs: z.array(tensorSpec),
    labels: labelMap,
    /** What the author claims of the version, e.g. accuracy. */
    metrics: z.record(z.string(), z.number()),
    createdAt: instant,
  })
  .meta({ id: "ModelVersion" });
export type ModelVersion = z.infer<typeof modelVersion>;

export const declareVersion = z.strictObject({
  bytes: z
    .number()
    .int()
    .min(1)
    .max(2 * 1024 ** 3),
  sha256: sha256Hex,
  labels: labelMap.default({}),
  metrics: z.record(z.string().max(64), z.number()).default({}),
});

export const declaredVersion = z.object({ version: modelVersion, uploadUrl: z.string() });
export const moveAlias = z.strictObject({ version: versionNumber });
export const alias = z.object({ model: objectName, alias: aliasName, version: versionNumber });

/** How far an upload got: bytes that are durable. */
export const uploadProgress = z.object({ offset: z.number().int(), bytes: z.number().int() });

const tensorChange = z.object({
  name: z.string(),
  change: z.enum(["added", "removed", "changed"]),
  from: tensorSpec.nullable(),
  to: tensorSpec.nullable(),
});
export type TensorChange = z.infer<typeof tensorChange>;

/** What a caller of one version meets in another. */
export const versionDiff = z.object({
  model: objectName,
  from: versionNumber,
  to: versionNumber,
  /** Whether the files are the same byte for byte. */
  sameFile: z.boolean(),
  /** Whether every request that `from` accepts is accepted by `to`, and every output that `from` gives is given. */
  compatible: z.boolean(),
  inputs: z.array(tensorChange),
  outputs: z.array(tensorChange),
  opset: z.object({ from: z.number().int().nullable(), to: z.number().int().nullable() }),
  bytes: z.object({ from: z.number().int(), to: z.number().int() }),
  /** The whole in one sentence. */
  sentence: z.string(),
});
export type VersionDiff = z.infer<typeof versionDiff>;
