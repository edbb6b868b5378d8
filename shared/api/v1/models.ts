import { z } from "zod";
import { versionRelease } from "../../protocol/model-files/release.ts";
import {
  bundleFile,
  MAX_BUNDLE_BYTES,
  MAX_BUNDLE_FILES,
  mainFileOf,
  GGUF_FILE,
  MODEL_FILE,
  pathsFault,
  runtime,
  type BundleFile,
  type Runtime,
} from "../../protocol/model-files/bundle.ts";
import { pipelineFacts, rowProof, tensorSpec } from "../../protocol/model-files/manifest.ts";
import { variantFacts } from "../../protocol/model-files/variants.ts";
import { encoderModel } from "../../text/encoder-model.ts";
import { engineModel } from "../../text/engine-model.ts";
import { textModel } from "../../text/text-model.ts";
import {
  boundedMap,
  aliasName,
  instant,
  labelMap,
  labels,
  managedBy,
  objectName,
  sha256Hex,
  versionNumber,
} from "./common.ts";

export const model = z
  .object({
    name: objectName,
    labels: labelMap,
    /** Alias → version number. */
    aliases: z.record(z.string(), versionNumber),
    latestVersion: versionNumber.nullable(),
    createdAt: instant,
    managedBy: managedBy.optional(),
  })
  .meta({ id: "Model" });
export type Model = z.infer<typeof model>;

export const createModel = z.strictObject({ name: objectName, labels: labels.default({}) });
export const patchModel = z.strictObject({ labels });

/** `uploading → checking → ready | rejected(reason)`, later `archived`. Only `ready` can be placed. */
export const versionState = z.enum(["uploading", "checking", "ready", "rejected", "archived"]);

export const modelVersion = z
  .object({
    model: objectName,
    version: versionNumber,
    state: versionState,
    /** Why it was rejected, in a sentence; null otherwise. */
    reason: z.string().nullable(),
    damage: z
      .string()
      .nullable()
      .default(null)
      .describe("Why its bytes cannot be sent to nodes, in a sentence; null while they are whole."),
    /** SHA-256 of the file, `sha256:` and hex; of several files, that of the list of their digests. */
    digest: z.string(),
    /** Name of the artifact (digest of its manifest), once checked. */
    artifact: z.string().nullable(),
    /** Of all files together. */
    bytes: z.number().int(),
    format: z.enum(["onnx", "gguf", "engine"]),
    runtime,
    /** Path of the file that the runtime loads. */
    main: z.string(),
    files: z.array(z.object({ path: z.string(), bytes: z.number().int(), sha256: z.string() })),
    opset: z.number().int().nullable(),
    irVersion: z.number().int().nullable(),
    producer: z.string().nullable(),
    inputs: z.array(tensorSpec),
    outputs: z.array(tensorSpec),
    /** Whether the graph proves that requests may share a run; null before the check, and of versions that were checked before it did. */
    rows: rowProof.nullable(),
    notes: z
      .array(z.string())
      .default([])
      .describe(
        "What its publisher should know of the check, for example an input with a default value that cannot be given.",
      ),
    text: textModel
      .nullable()
      .default(null)
      .describe("Of a version that writes text: what its file says; null of others, and before the check."),
    encoder: encoderModel
      .nullable()
      .default(null)
      .describe("Of a version that makes embeddings: what its files say; null of others, and before the check."),
    engine: engineModel
      .nullable()
      .default(null)
      .describe(
        "Of a version that an engine beside a node executes: its name there; null of others, and before the check.",
      ),
    pipeline: pipelineFacts
      .nullable()
      .default(null)
      .describe(
        "Of a pipeline: the stages that a request may pass, the steps that decide, and the tensors of its graphs; null of others, and before the check.",
      ),
    variants: z
      .array(variantFacts)
      .default([])
      .describe(
        "Graphs of which a node gets one, the reference first, with how near each was to that on the samples of the version; empty: it has one graph.",
      ),
    release: versionRelease
      .optional()
      .describe(
        "What its signer says of it: release counter, oldest release that is still taken, key and signature. Absent: it is not signed.",
      ),
    labels: labelMap,
    /** What the author claims of the version, e.g. accuracy. */
    metrics: z.record(z.string(), z.number()),
    createdAt: instant,
  })
  .meta({ id: "ModelVersion" });
export type ModelVersion = z.infer<typeof modelVersion>;

/** An ONNX file may have so many bytes: protobuf holds no more. */
const MAX_GRAPH_BYTES = 2 * 1024 ** 3;

/** One file as `bytes` and `sha256`, or a bundle as `files`. */
export const declareVersion = z
  .strictObject({
    bytes: z.number().int().min(1).max(MAX_GRAPH_BYTES).optional(),
    sha256: sha256Hex.optional(),
    runtime: runtime.default("onnx"),
    files: z.array(bundleFile).min(1).max(MAX_BUNDLE_FILES).optional(),
    /** Path of the file that the runtime loads; needed when not exactly one ends in `.onnx`, of a text model in `.gguf`. */
    main: z.string().optional(),
    labels: labels.default({}),
    metrics: boundedMap(z.number(), { keyCharacters: 64 }).default({}),
  })
  .superRefine((declared, context) => {
    const fault = declarationFault(declared);
    if (fault !== undefined) context.addIssue({ code: "custom", path: [fault.field], message: fault.message });
  });
export type DeclareVersion = z.infer<typeof declareVersion>;

function declarationFault(declared: {
  readonly bytes?: number | undefined;
  readonly sha256?: string | undefined;
  readonly files?: readonly BundleFile[] | undefined;
  readonly main?: string | undefined;
  readonly runtime: Runtime;
}): { readonly field: string; readonly message: string } | undefined {
  const { files, main, runtime: of } = declared;
  if (files === undefined) {
    if (main !== undefined) return { field: "main", message: "names one of `files`, and there are none" };
    if (declared.bytes === undefined) return { field: "bytes", message: "needed, unless there are `files`" };
    if (declared.sha256 === undefined) return { field: "sha256", message: "needed, unless there are `files`" };
    return undefined;
  }
  if (declared.bytes !== undefined) return { field: "bytes", message: "each of `files` has its own" };
  if (declared.sha256 !== undefined) return { field: "sha256", message: "each of `files` has its own" };
  const paths = pathsFault(files.map(({ path }) => path));
  if (paths !== undefined) return { field: "files", message: paths };
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > MAX_BUNDLE_BYTES)
    return { field: "files", message: `${total} bytes together; a bundle may have ${MAX_BUNDLE_BYTES}` };
  const found = mainFileOf(
    files.map(({ path }) => path),
    main,
    of,
  );
  if ("fault" in found) return { field: main === undefined ? "files" : "main", message: found.fault };
  const graph = files.find(({ path }) => path === found.main);
  return of !== "gguf" && graph !== undefined && graph.bytes > MAX_GRAPH_BYTES
    ? { field: "files", message: `${graph.path} has ${graph.bytes} bytes; an ONNX graph may have ${MAX_GRAPH_BYTES}` }
    : undefined;
}

/** A declared version as a bundle, whichever way it was declared. */
export function toBundle(declared: DeclareVersion): {
  readonly runtime: Runtime;
  readonly main: string;
  readonly files: readonly BundleFile[];
} {
  const { runtime, bytes = 0, sha256 = "" } = declared;
  const alone = runtime === "gguf" ? GGUF_FILE : MODEL_FILE;
  if (declared.files === undefined) return { runtime, main: alone, files: [{ path: alone, bytes, sha256 }] };
  const found = mainFileOf(
    declared.files.map(({ path }) => path),
    declared.main,
    runtime,
  );
  return { runtime, main: "main" in found ? found.main : alone, files: declared.files };
}

/** Where one file of a declared version goes. */
const fileUpload = z.object({ path: z.string(), bytes: z.number().int(), uploadUrl: z.string() });
export type FileUpload = z.infer<typeof fileUpload>;

export const declaredVersion = z.object({
  version: modelVersion,
  /** Of the first file. `POST {uploadUrl}/complete` ends the upload of all. */
  uploadUrl: z.string(),
  /** One for each file, in the order in which they were declared. */
  uploads: z.array(fileUpload).default([]),
});

/** The upload of a version that is `uploading`, or is being repaired: what is there already, to go on with. */
export const unfinishedUpload = z.object({
  /** Of the first file. `POST {uploadUrl}/complete` ends the upload of all. */
  uploadUrl: z.string(),
  /** One for each file, in the order in which they were declared; `offset` is the number of its bytes that are durable. */
  uploads: z.array(fileUpload.extend({ offset: z.number().int() })),
});
export type UnfinishedUpload = z.infer<typeof unfinishedUpload>;

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
