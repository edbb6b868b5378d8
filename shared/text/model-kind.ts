/**
 * What a model is asked for: tensors, by the Open Inference Protocol; text that it writes, or embeddings of texts, by the
 * OpenAI API.
 */
export type ModelKind = "tensors" | "text" | "embeddings";

const TAKES: Readonly<Record<ModelKind, string>> = {
  tensors: "takes tensors",
  text: "writes text",
  embeddings: "makes embeddings",
};
const DOES_NOT: Readonly<Record<ModelKind, string>> = {
  tensors: "takes no tensors",
  text: "writes no text",
  embeddings: "makes no embeddings",
};
const ASK: Readonly<Record<ModelKind, (model: string) => string>> = {
  tensors: (model) => `/v2/models/${model}/infer`,
  text: () => "/v1/chat/completions or /v1/completions",
  embeddings: () => "/v1/embeddings",
};

/** Why a model of one kind does not answer a request for another, and where to ask it instead. */
export const wrongKind = (model: string, kind: ModelKind, asked: ModelKind): string =>
  `${model} ${TAKES[kind]} and ${DOES_NOT[asked]}: ask ${ASK[kind](model)}`;

/** The kind of a version, by what its check found. */
export function kindOf({
  text,
  encoder,
  engine,
}: {
  readonly text?: unknown;
  readonly encoder?: unknown;
  readonly engine?: { readonly kind: ModelKind } | null | undefined;
}): ModelKind {
  if (engine != null) return engine.kind;
  if (text !== undefined) return "text";
  return encoder === undefined ? "tensors" : "embeddings";
}
