import { decodedSegment } from "../../../shared/base/path-segment.ts";
import type { ModelTarget } from "./resolve-placement.ts";

/** What a path can mean on a node. */
export type Route =
  | { readonly kind: "status" | "live" | "ready" | "metrics" }
  | {
      readonly kind:
        | "server-metadata"
        | "server-live"
        | "server-ready"
        | "model-names"
        | "repository-index"
        | "repository-change"
        | "explain";
    }
  | { readonly kind: "model-metadata" | "model-ready" | "infer"; readonly target: ModelTarget };

const FIXED: ReadonlyMap<string, Route> = new Map<string, Route>([
  ["", { kind: "status" }],
  ["/livez", { kind: "live" }],
  ["/readyz", { kind: "ready" }],
  ["/metrics", { kind: "metrics" }],
  ["/v2", { kind: "server-metadata" }],
  ["/v2/health/live", { kind: "server-live" }],
  ["/v2/health/ready", { kind: "server-ready" }],
  ["/v2/models", { kind: "model-names" }],
  ["/v2/repository/index", { kind: "repository-index" }],
]);

const MODEL = /^\/v2\/models\/([^/:]{1,189})(?:\/versions\/([^/:]{1,189}))?(\/infer|\/ready|:explain)?$/;
const CHANGE = /^\/v2\/repository\/models\/[^/]{1,189}\/(?:load|unload)$/;

/** The route of a path without its query; a trailing slash does not count. Undefined: there is none. */
export function routeOf(path: string): Route | undefined {
  const trimmed = path.endsWith("/") ? path.slice(0, -1) : path;
  const fixed = FIXED.get(trimmed);
  if (fixed !== undefined) return fixed;
  const [, model, version, suffix] = MODEL.exec(trimmed) ?? [];
  if (model !== undefined) {
    if (suffix === ":explain") return { kind: "explain" };
    const target = {
      model: decodedSegment(model),
      version: version === undefined ? undefined : decodedSegment(version),
    };
    if (suffix === "/infer") return { kind: "infer", target };
    return { kind: suffix === "/ready" ? "model-ready" : "model-metadata", target };
  }
  return CHANGE.test(trimmed) ? { kind: "repository-change" } : undefined;
}

const POSTED: ReadonlySet<Route["kind"]> = new Set<Route["kind"]>([
  "infer",
  "explain",
  "repository-index",
  "repository-change",
]);

/** The methods that a route takes, as they stand in `Allow`. */
export const methodsOf = ({ kind }: Route): readonly string[] => (POSTED.has(kind) ? ["POST"] : ["GET", "HEAD"]);
