import { z } from "zod";
import { serverLive } from "../../../../shared/api/v1/inference.ts";
import { PAGE_POLICY } from "../rest/reference-page.ts";
import { definePublicRoute, type Route } from "../server/route.ts";

const TAG = "Operation";
const anything = z.object({});

export interface SystemParts {
  /** Whether this process takes requests of this kind, and if not, why. */
  readonly readiness: (purpose: Purpose) => { readonly ready: boolean; readonly reasons: readonly string[] };
  /** The metrics as text, and of which type. */
  readonly renderMetrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly openApi: () => object;
  /** The API's reference, as HTML. */
  readonly reference: () => string;
}

/** What a load balancer sends here: `inference` is all of `/v2`; `admin` is `/api/v1`, which needs PostgreSQL. */
const purpose = z.enum(["inference", "admin"]);
export type Purpose = z.infer<typeof purpose>;

const readinessQuery = z.object({
  for: purpose
    .default("inference")
    .describe("inference: whether /v2 is served here; admin: whether /api/v1 is, which needs PostgreSQL."),
});
const readiness = z.object({ ready: z.boolean(), reasons: z.array(z.string()) });

export function systemRoutes({ readiness: ask, renderMetrics, openApi, reference }: SystemParts): Route[] {
  return [
    definePublicRoute({
      method: "GET",
      path: "/livez",
      summary: "The process answers",
      tag: TAG,
      query: anything,
      answer: serverLive,
      statuses: [200],
      async handle() {
        return { body: { live: true } };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: "/readyz",
      summary: "The process takes requests; a model that is not ready is no reason",
      tag: TAG,
      query: readinessQuery,
      answer: readiness,
      statuses: [200, 503],
      async handle({ query }) {
        const { ready, reasons } = ask(query.for);
        return { status: ready ? 200 : 503, body: { ready, reasons: [...reasons] } };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: "/metrics",
      summary: "Metrics for Prometheus; beyond this machine with a key",
      tag: TAG,
      beyondLoopback: "metrics.read",
      query: anything,
      streams: ["text/plain"],
      statuses: [200],
      async handle() {
        const { contentType, text } = await renderMetrics();
        return { stream: pieces(text), headers: { "Content-Type": contentType } };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: "/openapi.json",
      summary: "This document",
      tag: TAG,
      query: anything,
      answer: z.looseObject({ openapi: z.string() }),
      statuses: [200],
      async handle() {
        return { body: { openapi: "3.1.0", ...openApi() } };
      },
    }),
    definePublicRoute({
      method: "GET",
      path: "/docs/api",
      summary: "This reference as a page",
      tag: TAG,
      query: anything,
      streams: ["text/html"],
      statuses: [200],
      async handle() {
        const headers = {
          "Content-Type": "text/html; charset=utf-8",
          "Content-Security-Policy": PAGE_POLICY,
          "X-Content-Type-Options": "nosniff",
        };
        return { stream: pieces(reference()), headers };
      },
    }),
  ];
}

async function* pieces(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
