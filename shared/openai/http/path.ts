import { decodedSegment } from "../../base/path-segment.ts";
import type { ModelKind } from "../../text/model-kind.ts";
import type { TextApi } from "../requests.ts";

export type OpenAiApi = TextApi | "embedding";

/** What a path under `/v1` means. */
export type OpenAiPath =
  | { readonly kind: "ask"; readonly api: OpenAiApi }
  | { readonly kind: "models" }
  | { readonly kind: "model"; readonly id: string };

const FIXED: ReadonlyMap<string, OpenAiPath> = new Map<string, OpenAiPath>([
  ["/v1/chat/completions", { kind: "ask", api: "chat" }],
  ["/v1/completions", { kind: "ask", api: "completion" }],
  ["/v1/embeddings", { kind: "ask", api: "embedding" }],
  ["/v1/models", { kind: "models" }],
]);
const MODEL = /^\/v1\/models\/([^/]+)$/;

/** Of a path (of `pathOf`); undefined when nothing is there. */
export function openAiPath(path: string): OpenAiPath | undefined {
  const fixed = FIXED.get(path);
  if (fixed !== undefined) return fixed;
  const [, id] = MODEL.exec(path) ?? [];
  return id === undefined ? undefined : { kind: "model", id: decodedSegment(id) };
}

/** The methods that a path takes, as they stand in `Allow`. */
export const openAiMethods = ({ kind }: OpenAiPath): readonly string[] => (kind === "ask" ? ["POST"] : ["GET", "HEAD"]);

/** The models that an API is for. */
export const kindAsked = (api: OpenAiApi): ModelKind => (api === "embedding" ? "embeddings" : "text");

export const isOpenAi = (path: string): boolean => path === "/v1" || path.startsWith("/v1/");
