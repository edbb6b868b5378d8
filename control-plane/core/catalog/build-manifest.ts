import { MODEL_FILE, type Manifest } from "../../../shared/protocol/manifest.ts";
import { CHUNKER } from "../push/chunker.ts";
import type { OnnxModel } from "./onnx-skim.ts";

/** Node, ONNX Runtime and its arenas before a model is loaded: 80 MiB resident measured, and room to run. */
const BASELINE_MIB = 256;
/** Weights once as loaded (1.09 × the file, measured) and once for what the graph optimiser and the activations add. */
const COPIES_OF_FILE = 2;
/** Equal figures for nearly equal models make the placements easier to read. */
const STEP_MIB = 64;

const MAX_BATCH = 8;
const TIMEOUT_MS = 10_000;

/** The file as it lies in the artifact store. */
export interface DigestedFile {
  readonly bytes: number;
  readonly sha256: string;
  readonly chunks: readonly (readonly [length: number, sha256: string])[];
}

/** Memory that a model host is given for a file of `bytes`, in MiB: an estimate until a node has measured it. */
function estimateMemMiB(bytes: number): number {
  const wanted = Math.ceil((COPIES_OF_FILE * bytes) / 2 ** 20) + BASELINE_MIB;
  return Math.ceil(wanted / STEP_MIB) * STEP_MIB;
}

/** The artifact of one version: what every node checks the bytes against. */
export function buildManifest(
  of: { readonly model: string; readonly version: number },
  file: DigestedFile,
  model: OnnxModel,
): Manifest {
  return {
    v: 1,
    model: of.model,
    version: String(of.version),
    chunker: CHUNKER,
    files: [
      {
        name: MODEL_FILE,
        size: file.bytes,
        sha256: file.sha256,
        chunks: file.chunks.map(([length, sha256]) => [length, sha256]),
      },
    ],
    inputs: model.inputs.map((spec) => ({ ...spec })),
    outputs: model.outputs.map((spec) => ({ ...spec })),
    irVersion: model.irVersion,
    opsets: { ...model.opsets },
    limits: { memMiB: estimateMemMiB(file.bytes), maxBatch: MAX_BATCH, timeoutMs: TIMEOUT_MS },
  };
}
