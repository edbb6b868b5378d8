import { decodedSegment } from "../../base/path-segment.ts";
import type { ModelTarget } from "../../inference/http/path.ts";
import type { ModelKind } from "../../text/model-kind.ts";
import type { TextApi } from "../requests.ts";

export type OpenAiApi = TextApi | "embedding";

/** A path at which a text or an embedding is asked for. */
export type AskPath =
  | { readonly kind: "ask"; readonly api: OpenAiApi }
  /** Of the Open Inference Protocol. */
  | { readonly kind: "generate"; readonly target: ModelTarget; readonly streams: boolean };

/** Whose clients read answers and errors. */
export type AnswerForm = "openai" | "generate";

/** What a path under `/v1` means, or of the generate extension under `/v2`. */
export type OpenAiPath = AskPath | { readonly kind: "models" } | { readonly kind: "model"; readonly id: string };

const FIXED: ReadonlyMap<string, OpenAiPath> = new Map<string, OpenAiPath>([
  ["/v1/chat/completions", { kind: "ask", api: "chat" }],
  ["/v1/completions", { kind: "ask", api: "completion" }],
  ["/v1/embeddings", { kind: "ask", api: "embedding" }],
  ["/v1/models", { kind: "models" }],
]);
const GENERATE = /^\/v2\/models\/([^/]+?)(?:\/versions\/([^/]+?))?\/(generate|generate_stream)$/;
const MODEL = /^\/v1\/models\/([^/]+)$/;

/** Of a path (of `pathOf`); undefined when nothing is there. */
export function openAiPath(path: string): OpenAiPath | undefined {
  const fixed = FIXED.get(path);
  if (fixed !== undefined) return fixed;
  const [, model, version, operation] = GENERATE.exec(path) ?? [];
  if (model !== undefined)
    return {
      kind: "generate",
      target: { model: decodedSegment(model), version: version === undefined ? undefined : decodedSegment(version) },
      streams: operation === "generate_stream",
    };
  const [, id] = MODEL.exec(path) ?? [];
  return id === undefined ? undefined : { kind: "model", id: decodedSegment(id) };
}

/** The methods that a path takes, as they stand in `Allow`. */
export const openAiMethods = ({ kind }: OpenAiPath): readonly string[] =>
  kind === "ask" || kind === "generate" ? ["POST"] : ["GET", "HEAD"];

/** The models that an API is for. */
export const kindAsked = (api: OpenAiApi): ModelKind => (api === "embedding" ? "embeddings" : "text");

export const isOpenAi = (path: string): boolean => path === "/v1" || path.startsWith("/v1/");
