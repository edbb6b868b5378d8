import { z } from "zod";
import { nodeStatus } from "../../../../shared/api/v1/nodes/node-status.ts";
import { nodeStreams } from "../../../../shared/api/v1/nodes/streams.ts";
import { MAX_STREAM_ITEM_BYTES } from "../../../../shared/protocol/streams.ts";
import { failed, liveness, pushedItem, readiness } from "./answers.ts";

/** Without a library for it: that one would cost each device memory for a page that few ask for. */
const json = (schema: z.ZodType): object => ({ "application/json": { schema: bare(schema) } });

function bare(schema: z.ZodType): object {
  // The dialect is that of OpenAPI 3.1. Everything is written where it is used.
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "output", reused: "inline" });
  return rest;
}

const KEY = [{ key: [] }, {}];
const failure = (): object => ({
  description: "Why not, as `error`; its code in the header `Skerry-Error`.",
  content: json(failed),
});
const answer = (description: string, content: object): object => ({ description, content });

const name = (what: string, at: string, pattern: string): object => ({
  name: at,
  in: "path",
  required: true,
  description: what,
  schema: { type: "string", pattern },
});
const label = (at: string, description: string): object => ({
  name: at,
  in: "header",
  description,
  schema: { type: "string", pattern: "^[\\x21-\\x7e]{1,128}$" },
});

const get = (summary: string, content: object, more: object = {}): object => ({
  summary,
  security: KEY,
  ...more,
  responses: { "200": answer(summary, content), default: failure() },
});
const OPEN = { security: [] };

/** OpenAPI 3.1 of the paths that only a node has. `/v2` and `/v1` are the same as at a control plane, whose document has them. */
export const localOpenApi = (version: string): object => ({
  openapi: "3.1.0",
  info: {
    title: "Skerry node",
    version,
    description:
      "What a node serves at its own address, with and without the control plane. `/v2` (Open Inference Protocol) and `/v1` (OpenAI) are described by `/openapi.json` of the control plane: a node answers them for the models that it holds.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  components: {
    securitySchemes: {
      key: {
        type: "http",
        scheme: "bearer",
        description: "A key of the node's own file, or an API key, where it asks for one.",
      },
    },
  },
  paths: {
    "/openapi.json": { get: get("This document", json(z.looseObject({ openapi: z.string() })), OPEN) },
    "/livez": { get: get("Whether the process answers", json(liveness), OPEN) },
    "/readyz": {
      get: {
        summary: "Whether it is of use: connected, or something is ready here; not while it stops",
        security: [],
        responses: {
          "200": answer("It is.", json(readiness)),
          "503": answer("It is not, with the reasons.", json(readiness)),
          default: failure(),
        },
      },
    },
    "/status.json": {
      get: get("What runs, what waits, the link to the control plane, the last errors", json(nodeStatus)),
    },
    "/metrics": { get: get("Metrics for Prometheus", { "text/plain": { schema: { type: "string" } } }) },
    "/streams": { get: get("The streams of the node, and what became of all that they have read", json(nodeStreams)) },
    "/streams/{deployment}/{stream}": {
      post: {
        summary: "Give a stream with an HTTP source one item",
        security: KEY,
        parameters: [
          name("The deployment that declares the stream.", "deployment", "^[a-z0-9][a-z0-9._-]{0,62}$"),
          name("The stream.", "stream", "^[a-z0-9][a-z0-9-]{0,31}$"),
          label("Idempotency-Key", "The same item sent again under it is a duplicate."),
          label("Skerry-Stream", "The key of the item: those of one key reach the model in order."),
        ],
        requestBody: {
          required: true,
          description: `The item, at most ${MAX_STREAM_ITEM_BYTES} bytes. JSON says what the model is asked (docs/streams.md); all else is its only input.`,
          content: { "application/json": {}, "application/octet-stream": {} },
        },
        responses: {
          "202": answer("It is on the disk.", json(pushedItem)),
          default: failure(),
        },
      },
    },
  },
});
