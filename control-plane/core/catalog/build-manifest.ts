import { MODEL_FILE, type Runtime } from "../../../shared/protocol/model-files/bundle.ts";
import type {
  InputDefault,
  Manifest,
  PipelineModel,
  RowProof,
  TensorSpec,
} from "../../../shared/protocol/model-files/manifest.ts";
import type { EngineDocument } from "../../../shared/protocol/model-files/engine-document.ts";
import { encoderMemMiB, type EncoderModel } from "../../../shared/text/encoder-model.ts";
import { textMemMiB, type TextModel } from "../../../shared/text/text-model.ts";
import { CHUNKER } from "./chunking/chunker.ts";
import { estimateMemMiB } from "../scheduling/needs/memory.ts";
import type { OnnxModel } from "./onnx/inspect.ts";

const MAX_BATCH = 8;
const TIMEOUT_MS = 10_000;

interface Version {
  readonly model: string;
  readonly version: number;
  readonly main: string;
}

/** A file as it lies in the artifact store. */
export interface DigestedFile {
  readonly bytes: number;
  readonly sha256: string;
  readonly chunks: readonly (readonly [length: number, sha256: string])[];
}

/** A file and its path in the bundle. */
export interface NamedFile extends DigestedFile {
  readonly name: string;
}

/** The artifact of one version: what every node checks the bytes against. */
export function buildManifest(
  of: Version,
  files: readonly NamedFile[],
  model: OnnxModel,
  defaults: readonly InputDefault[] = [],
): Manifest {
  const isSimplest = files.length === 1 && of.main === MODEL_FILE;
  return {
    v: 1,
    model: of.model,
    version: String(of.version),
    chunker: CHUNKER,
    ...(isSimplest ? {} : { runtime: "onnx" satisfies Runtime, main: of.main }),
    files: files.map(listed),
    inputs: model.inputs.map((spec) => ({ ...spec })),
    outputs: model.outputs.map((spec) => ({ ...spec })),
    irVersion: model.irVersion,
    opsets: { ...model.opsets },
    rows: model.rows,
    ...(defaults.length > 0 && { defaults: defaults.map((each) => ({ ...each })) }),
    limits: { memMiB: estimateMemMiB(bytesOf(files)), maxBatch: MAX_BATCH, timeoutMs: TIMEOUT_MS },
  };
}

/** The same of a model that writes text, `model` its graph if it is in ONNX: it has no tensors for callers, and its requests join a batch that is under way. */
export function buildTextManifest(
  of: Version,
  files: readonly NamedFile[],
  { text, model }: { readonly text: TextModel; readonly model?: Pick<OnnxModel, "irVersion" | "opsets"> },
): Manifest {
  return {
    v: 1,
    model: of.model,
    version: String(of.version),
    chunker: CHUNKER,
    runtime: (model ? "generate" : "gguf") satisfies Runtime,
    main: of.main,
    files: files.map(listed),
    inputs: [],
    outputs: [],
    irVersion: model?.irVersion ?? 0,
    opsets: { ...model?.opsets },
    text,
    limits: { memMiB: textMemMiB(text, bytesOf(files)), maxBatch: 1, timeoutMs: TIMEOUT_MS },
  };
}

/** The same of a model that makes embeddings, whose tensors no caller sends. */
export function buildEncoderManifest(
  of: Version,
  files: readonly NamedFile[],
  { model, encoder }: { readonly model: OnnxModel; readonly encoder: EncoderModel },
): Manifest {
  return {
    v: 1,
    model: of.model,
    version: String(of.version),
    chunker: CHUNKER,
    runtime: "embed" satisfies Runtime,
    main: of.main,
    files: files.map(listed),
    inputs: [],
    outputs: [],
    irVersion: model.irVersion,
    opsets: { ...model.opsets },
    encoder,
    limits: { memMiB: encoderMemMiB(encoder, bytesOf(files)), maxBatch: MAX_BATCH, timeoutMs: TIMEOUT_MS },
  };
}

/** A host of it is a connection, so the memory that it takes is the agent's. */
const ENGINE_MEM_MIB = 1;

/** The same of a model that an engine beside a node executes. */
export function buildEngineManifest(of: Version, files: readonly NamedFile[], document: EngineDocument): Manifest {
  const { model, kind, inputs = [], outputs = [] } = document;
  return {
    v: 1,
    model: of.model,
    version: String(of.version),
    chunker: CHUNKER,
    runtime: "engine" satisfies Runtime,
    main: of.main,
    files: files.map(listed),
    inputs: inputs.map((spec) => ({ ...spec })),
    outputs: outputs.map((spec) => ({ ...spec })),
    irVersion: 0,
    opsets: {},
    engine: { model, kind },
    limits: { memMiB: ENGINE_MEM_MIB, maxBatch: 1, timeoutMs: TIMEOUT_MS },
  };
}

/** The same of a pipeline. `rows`: of its only graph; several prove nothing together. */
export function buildPipelineManifest(
  of: Version,
  files: readonly NamedFile[],
  {
    pipeline,
    inputs,
    outputs,
    graphs,
  }: {
    readonly pipeline: PipelineModel;
    readonly inputs: readonly TensorSpec[];
    readonly outputs: readonly TensorSpec[];
    readonly graphs: readonly OnnxModel[];
  },
): Manifest {
  const [only, ...more] = graphs;
  const unproved: RowProof = { kind: "unproved", reason: "several graphs run one after the other" };
  return {
    v: 1,
    model: of.model,
    version: String(of.version),
    chunker: CHUNKER,
    runtime: "pipeline" satisfies Runtime,
    main: of.main,
    files: files.map(listed),
    inputs: inputs.map((spec) => ({ ...spec })),
    outputs: outputs.map((spec) => ({ ...spec })),
    irVersion: Math.max(0, ...graphs.map(({ irVersion }) => irVersion)),
    opsets: newestOpsets(graphs),
    rows: only !== undefined && more.length === 0 ? only.rows : unproved,
    pipeline,
    limits: {
      memMiB: estimateMemMiB(bytesOf(files)) + pipeline.roomMiB,
      maxBatch: MAX_BATCH,
      timeoutMs: TIMEOUT_MS,
    },
  };
}

/** Of each domain the newest that one of the graphs needs. */
function newestOpsets(graphs: readonly OnnxModel[]): Record<string, number> {
  const opsets: Record<string, number> = {};
  for (const graph of graphs)
    for (const [domain, version] of Object.entries(graph.opsets))
      opsets[domain] = Math.max(version, opsets[domain] ?? 0);
  return opsets;
}

const bytesOf = (files: readonly NamedFile[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

const listed = (file: NamedFile): Manifest["files"][number] => ({
  name: file.name,
  size: file.bytes,
  sha256: file.sha256,
  chunks: file.chunks.map(([length, sha256]) => [length, sha256]),
});
