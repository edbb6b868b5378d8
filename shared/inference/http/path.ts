import { decodedSegment } from "../../base/path-segment.ts";

/** What a URL names. */
export interface ModelTarget {
  readonly model: string;
  /** A number or an alias; undefined: the model's deployment decides. */
  readonly version: string | undefined;
}

export interface ModelPath {
  readonly operation: "metadata" | "config" | "stats" | "ready" | "infer" | "explain";
  readonly target: ModelTarget;
}

const PATTERN = /^\/v2\/models\/([^/]+?)(?:\/versions\/([^/]+?))?(\/infer|\/ready|\/config|\/stats|:explain)?$/;

/** Undefined when the path (of `pathOf`) names no model. */
export function parseModelPath(path: string): ModelPath | undefined {
  const [, model, version, suffix] = PATTERN.exec(path) ?? [];
  if (model === undefined) return undefined;
  const target = { model: decodedSegment(model), version: version === undefined ? undefined : decodedSegment(version) };
  return { operation: suffix === undefined ? "metadata" : operationOf(suffix), target };
}

function operationOf(suffix: string): ModelPath["operation"] {
  switch (suffix) {
    case "/infer":
      return "infer";
    case "/ready":
      return "ready";
    case "/config":
      return "config";
    case "/stats":
      return "stats";
    default:
      return "explain";
  }
}

/** The path of a URL without its query and without a slash at the end. */
export function pathOf({ url = "/" }: { readonly url?: string | undefined }): string {
  const end = url.indexOf("?");
  const path = end === -1 ? url : url.slice(0, end);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

export const isInferenceProtocol = (path: string): boolean => path === "/v2" || path.startsWith("/v2/");
