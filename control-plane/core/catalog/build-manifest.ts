import { MODEL_FILE, type Manifest } from "../../../shared/protocol/manifest.ts";
import { CHUNKER } from "./chunker.ts";
import { estimateMemMiB } from "../scheduling/memory.ts";
import type { OnnxModel } from "./onnx-inspect.ts";

const MAX_BATCH = 8;
const TIMEOUT_MS = 10_000;

/** The file as it lies in the artifact store. */
export interface DigestedFile {
  readonly bytes: number;
  readonly sha256: string;
  readonly chunks: readonly (readonly [length: number, sha256: string])[];
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
    rows: model.rows,
    limits: { memMiB: estimateMemMiB(file.bytes), maxBatch: MAX_BATCH, timeoutMs: TIMEOUT_MS },
  };
}
