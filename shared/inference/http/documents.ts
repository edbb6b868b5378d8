import type { PipelineFacts } from "../../protocol/model-files/manifest.ts";
import type { IndexEntry, ModelConfig, ModelMetadata } from "../../api/v1/inference.ts";
import { EXPLAINERS_PROPERTY, explainersOf } from "../explain/explainers.ts";

/** The documents of the Open Inference Protocol that control plane and node answer alike. */

const EXTENSIONS = ["binary_tensor_data", "model_configuration", "statistics"];

export const serverMetadata = (version: string, { hasRepository }: { readonly hasRepository: boolean }) => ({
  name: "skerry" as const,
  version,
  extensions: hasRepository ? [...EXTENSIONS, "model_repository"] : EXTENSIONS,
});

/** `readyDocument` and `modelReadyDocument` are no errors to the protocol, but scripts look for the catalog's code. */
const NOT_READY = { status: 503, headers: { "Retry-After": "1", "Skerry-Error": "MODEL_NOT_READY" } } as const;

interface Readiness<Body> {
  readonly status: 200 | 503;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Body;
}

export const serverReadiness = (ready: boolean): Readiness<{ ready: boolean }> => ({
  ...(ready ? { status: 200 } : NOT_READY),
  body: { ready },
});

export const modelReadiness = (name: string, ready: boolean): Readiness<{ name: string; ready: boolean }> => ({
  ...(ready ? { status: 200 } : NOT_READY),
  body: { name, ready },
});

/**
 * Metadata of the version that would answer. `versions`: those that may be named, in any order. `isExplained`: a model host of
 * Skerry's executes it, which explains what its signature allows.
 */
export function modelMetadata(facts: {
  readonly name: string;
  readonly version: number | string;
  readonly artifact: string | null | undefined;
  readonly versions: readonly (number | string)[];
  readonly inputs: ModelMetadata["inputs"];
  readonly outputs: ModelMetadata["outputs"];
  readonly isExplained: boolean;
  readonly pipeline?: PipelineFacts | undefined;
}): ModelMetadata {
  const explainers = facts.isExplained && facts.pipeline === undefined ? explainersOf(facts) : [];
  return {
    name: facts.name,
    versions: [...new Set(facts.versions.map(String))].toSorted(byNumber),
    platform: facts.pipeline === undefined ? "onnx_onnxv1" : "skerry_pipeline",
    inputs: facts.inputs,
    outputs: facts.outputs,
    properties: {
      "skerry.version": String(facts.version),
      ...(facts.artifact && { "skerry.artifact": facts.artifact }),
      ...(explainers.length > 0 && { [EXPLAINERS_PROPERTY]: explainers.join(",") }),
      ...(facts.pipeline && pipelineProperties(facts.pipeline)),
    },
  };
}

/**
 * `inputs` and `outputs` of the metadata are those of a request that passes all stages; the graphs' own are here, as JSON, with the
 * methods by which that stage is explained. The others are not.
 */
function pipelineProperties({ stages, rule, inputs, outputs }: PipelineFacts): Record<string, string> {
  const explainers = explainersOf({ inputs, outputs });
  return {
    "skerry.stages": stages.join(", "),
    ...(rule !== "" && { "skerry.decision": rule }),
    "skerry.infer.inputs": JSON.stringify(inputs),
    "skerry.infer.outputs": JSON.stringify(outputs),
    ...(explainers.length > 0 && { "skerry.infer.explainers": explainers.join(",") }),
  };
}

/** A model's configuration in the form of Triton's clients: shapes in full, so there is no batch dimension beside them. */
export const modelConfig = ({ name, inputs, outputs }: ModelMetadata): ModelConfig => ({
  name,
  platform: "onnxruntime_onnx",
  backend: "onnxruntime",
  max_batch_size: 0,
  input: inputs.map(configTensor),
  output: outputs.map(configTensor),
});

const configTensor = ({ name, datatype, shape }: ModelMetadata["inputs"][number]): ModelConfig["input"][number] => ({
  name,
  data_type: `TYPE_${datatype === "BYTES" ? "STRING" : datatype}`,
  dims: shape,
});

/** By name and version, as the repository index lists them. */
export const sortedIndex = (entries: Iterable<IndexEntry>): IndexEntry[] =>
  [...entries].toSorted((a, b) => (a.name === b.name ? byNumber(a.version, b.version) : a.name < b.name ? -1 : 1));

const byNumber = (a: string, b: string): number => Number(a) - Number(b);
