import { z } from "zod";
import { canonicalJson, digestOf, type Digest } from "../../base/digest.ts";
import { encoderModel } from "../../text/encoder-model.ts";
import { engineModel } from "../../text/engine-model.ts";
import { textModel } from "../../text/text-model.ts";
import { STAGES } from "../stages.ts";
import { MAX_BUNDLE_FILES, MODEL_FILE, pathFault, runtime } from "./bundle.ts";

export const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .transform((text) => text as Digest);

/** A tensor of a model's signature; −1 in `shape` stands for any length. */
export const tensorSpec = z.object({
  name: z.string().min(1).max(256),
  datatype: z.string().max(8),
  shape: z.array(z.number().int().min(-1)).max(8),
  parameters: z
    .object({
      /** Of an output of a classifier: the class of each column. */
      classes: z.array(z.union([z.string(), z.number().int()])).optional(),
      /** Of an input: a caller may leave it out, and the model's own value is taken. */
      optional: z.literal(true).optional(),
    })
    .optional(),
});
export type TensorSpec = z.infer<typeof tensorSpec>;

/** One piece of a file: `[length in bytes, SHA-256 in hex]`. Offsets follow from the lengths. */
const chunk = z.tuple([z.number().int().min(1).max(1_048_576), z.string().regex(/^[0-9a-f]{64}$/)]);

const manifestFile = z.object({
  /** The file's path in the bundle. */
  name: z.string().refine((name) => pathFault(name) === undefined),
  size: z.number().int().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  chunks: z.array(chunk).min(1),
});

/**
 * Whether each row of every output depends on the same row of the inputs alone, so that requests may share a run: what the
 * graph proves, or what stops the proof.
 */
export const rowProof = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("independent") }),
  z.object({ kind: z.literal("unproved"), reason: z.string().max(500) }),
]);
export type RowProof = z.infer<typeof rowProof>;

/** Inputs with a default value, and bytes of one value, that a caller may give. Others stay constants of the graph. */
export const MAX_OPTIONAL_INPUTS = 16;
export const MAX_DEFAULT_BYTES = 4_096;

/** The value of an input that a caller leaves out; `data` is the binary form of the Open Inference Protocol, in base64. */
export const inputDefault = tensorSpec.pick({ name: true, datatype: true, shape: true }).extend({
  data: z.base64().max(Math.ceil(MAX_DEFAULT_BYTES / 3) * 4),
});
export type InputDefault = z.infer<typeof inputDefault>;

/** What a caller may know of a pipeline. */
export const pipelineFacts = z.object({
  stages: z.array(z.enum(STAGES)).min(1),
  /** Names of the steps that decide; empty when none does. */
  rule: z.string().max(1_024),
  /** Memory that the steps need beside the graphs, in MiB. */
  roomMiB: z.number().int().min(0),
  /** What its graphs take and put out, for requests with the stage `infer` alone. */
  inputs: z.array(tensorSpec),
  outputs: z.array(tensorSpec),
});
export type PipelineFacts = z.infer<typeof pipelineFacts>;

/** What a node needs of a pipeline: its document as it was checked, and what is known of its graphs. */
const pipelineModel = pipelineFacts.extend({
  document: z.record(z.string(), z.unknown()),
  graphs: z
    .array(
      z.object({
        /** Path in the bundle. */
        file: z.string().max(255),
        inputs: z.array(tensorSpec),
        outputs: z.array(tensorSpec),
        defaults: z.array(inputDefault).max(MAX_OPTIONAL_INPUTS).optional(),
      }),
    )
    .min(1),
});
export type PipelineModel = z.infer<typeof pipelineModel>;

/** What an artifact is made of: the list that a node checks every byte against. */
export const manifest = z.object({
  v: z.literal(1),
  model: z.string(),
  version: z.string(),
  chunker: z.literal("gear-64k-256k-1m"),
  // Both are left out of the simplest bundle, one ONNX file without a name, so that its artifact keeps its digest.
  runtime: runtime.optional(),
  /** The file that the runtime loads. */
  main: z.string().optional(),
  files: z.array(manifestFile).min(1).max(MAX_BUNDLE_FILES),
  inputs: z.array(tensorSpec),
  outputs: z.array(tensorSpec),
  irVersion: z.number().int(),
  opsets: z.record(z.string(), z.number().int()),
  /** Absent in manifests that were made before graphs were examined. */
  rows: rowProof.optional(),
  /** Of the optional ones among `inputs`; absent when there are none. */
  defaults: z.array(inputDefault).max(MAX_OPTIONAL_INPUTS).optional(),
  /** Of a model that writes text, which has neither inputs nor outputs. */
  text: textModel.optional(),
  /** Of a model that makes embeddings, whose tensors are no caller's either. */
  encoder: encoderModel.optional(),
  /** Of a model that an engine beside the node executes. Its tensors, if it takes any, are `inputs` and `outputs`. */
  engine: engineModel.optional(),
  /** Of a pipeline. `inputs` are the raw ones, `outputs` have the decision among them. */
  pipeline: pipelineModel.optional(),
  limits: z.object({
    memMiB: z.number().int().min(1),
    maxBatch: z.number().int().min(1),
    timeoutMs: z.number().int().min(1),
  }),
});
export type Manifest = z.infer<typeof manifest>;

/** The bytes that travel: RFC 8785 JSON. Their digest is the artifact's name. */
export const manifestBytes = (value: Manifest): string => canonicalJson(value);
export const artifactDigest = (value: Manifest): Digest => digestOf(manifestBytes(value));

/** The file that the runtime loads: its path in the artifact's folder. */
export const mainFile = (value: Pick<Manifest, "main">): string => value.main ?? MODEL_FILE;

export interface ChunkRef {
  /** Number of the chunk across all files of the manifest. */
  readonly index: number;
  readonly file: number;
  /** Its offset in its file, in bytes. */
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

/** All chunks of a manifest in their order on the wire. */
export function chunksOf(value: Manifest): readonly ChunkRef[] {
  const refs: ChunkRef[] = [];
  value.files.forEach((file, fileIndex) => {
    let offset = 0;
    for (const [length, sha256] of file.chunks) {
      refs.push({ index: refs.length, file: fileIndex, offset, length, sha256 });
      offset += length;
    }
  });
  return refs;
}
