import type { CallerAccess } from "../../core/caller-rights.ts";
import { openAiMethods, type OpenAiPath, openAiPath } from "../../../shared/openai/http/path.ts";
import type { PageFile } from "./page/page-files.ts";
import { type ModelTarget, parseModelPath } from "../../../shared/inference/http/path.ts";

/** What a path can mean on a node. */
export type Route =
  | { readonly kind: "text"; readonly path: OpenAiPath }
  | { readonly kind: "page"; readonly file: PageFile }
  | { readonly kind: "status" | "live" | "ready" | "metrics" | "openapi" | "streams" }
  | { readonly kind: "stream-item"; readonly deployment: string; readonly name: string }
  | {
      readonly kind:
        | "server-metadata"
        | "server-live"
        | "server-ready"
        | "model-names"
        | "repository-index"
        | "repository-change";
    }
  | {
      readonly kind: "model-metadata" | "model-config" | "model-stats" | "model-ready" | "infer" | "explain";
      readonly target: ModelTarget;
    };

const FIXED: ReadonlyMap<string, Route> = new Map<string, Route>([
  ["/", { kind: "page", file: "index.html" }],
  ["/page.css", { kind: "page", file: "page.css" }],
  ["/page.svg", { kind: "page", file: "page.svg" }],
  ["/page.js", { kind: "page", file: "page.js" }],
  ["/status.json", { kind: "status" }],
  ["/livez", { kind: "live" }],
  ["/readyz", { kind: "ready" }],
  ["/metrics", { kind: "metrics" }],
  ["/openapi.json", { kind: "openapi" }],
  ["/streams", { kind: "streams" }],
  ["/v2", { kind: "server-metadata" }],
  ["/v2/health/live", { kind: "server-live" }],
  ["/v2/health/ready", { kind: "server-ready" }],
  ["/v2/models", { kind: "model-names" }],
  ["/v2/repository/index", { kind: "repository-index" }],
]);

const STREAM_ITEM = /^\/streams\/([a-z0-9][a-z0-9._-]{0,62})\/([a-z0-9][a-z0-9-]{0,31})$/;
const CHANGE = /^\/v2\/repository\/models\/[^/]+\/(?:load|unload)$/;

/** The route of a path (of `pathOf`). Undefined: there is none. */
export function routeOf(path: string): Route | undefined {
  const fixed = FIXED.get(path);
  if (fixed !== undefined) return fixed;
  const [, deployment, name] = STREAM_ITEM.exec(path) ?? [];
  if (deployment !== undefined && name !== undefined) return { kind: "stream-item", deployment, name };
  const text = openAiPath(path);
  if (text !== undefined) return { kind: "text", path: text };
  const model = parseModelPath(path);
  if (model === undefined) return CHANGE.test(path) ? { kind: "repository-change" } : undefined;
  const { operation, target } = model;
  switch (operation) {
    case "metadata":
      return { kind: "model-metadata", target };
    case "config":
      return { kind: "model-config", target };
    case "stats":
      return { kind: "model-stats", target };
    case "ready":
      return { kind: "model-ready", target };
    case "infer":
      return { kind: "infer", target };
    case "explain":
      return { kind: "explain", target };
  }
}

const POSTED: ReadonlySet<Route["kind"]> = new Set<Route["kind"]>([
  "infer",
  "stream-item",
  "explain",
  "repository-index",
  "repository-change",
]);

/** The methods that a route takes, as they stand in `Allow`. */
export const methodsOf = (route: Route): readonly string[] => {
  if (route.kind === "text") return openAiMethods(route.path);
  return POSTED.has(route.kind) ? ["POST"] : ["GET", "HEAD"];
};

/** For those who have no key: they say nothing about models. The page asks for its facts, with a key where one is needed. */
export const OPEN: ReadonlySet<Route["kind"]> = new Set<Route["kind"]>([
  "page",
  "openapi",
  "live",
  "ready",
  "server-metadata",
  "server-live",
  "server-ready",
]);

/** What a key must allow for it. */
export function accessOf(route: Route): CallerAccess {
  switch (route.kind) {
    case "status":
    case "metrics":
    case "streams":
      return "node";
    case "infer":
    case "stream-item":
    case "explain":
      return "invoke";
    case "text":
      return route.path.kind === "models" || route.path.kind === "model" ? "models" : "invoke";
    case "page":
    case "openapi":
    case "live":
    case "ready":
    case "server-metadata":
    case "server-live":
    case "server-ready":
    case "model-names":
    case "model-metadata":
    case "model-config":
    case "model-stats":
    case "model-ready":
    case "repository-index":
    case "repository-change":
      return "models";
  }
}
