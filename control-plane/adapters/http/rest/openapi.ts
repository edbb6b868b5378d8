import { z } from "zod";
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from "zod-openapi";
import { problem } from "../../../../shared/api/v1/common.ts";
import { inferenceError } from "../../../../shared/api/v1/inference.ts";
import { isInferenceProtocol } from "../../../../shared/inference/http/path.ts";
import { JSON_TYPE } from "../../../../shared/inference/http/request-headers.ts";
import { openAiErrorBody } from "../../../../shared/openai/errors.ts";
import { isOpenAi } from "../../../../shared/openai/http/path.ts";
import { STREAM_TYPE, streamEvent } from "../server/event-stream.ts";
import { rolesOf } from "../../../core/access/actions.ts";
import type { Route } from "../server/route.ts";
import { changeReason, takesReason } from "./change-reason.ts";

/** OpenAPI 3.1 of exactly the routes that are registered, from the schemas that decode and describe them. */
export function openApiDocument(
  routes: readonly Route[],
  { version, serverUrl, cookieName }: { version: string; serverUrl: string; cookieName: string },
): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const [path, group] of Map.groupBy(routes, (route) => route.path)) {
    paths[path] = Object.fromEntries(group.map((route) => [route.method.toLowerCase(), operationOf(route)]));
  }
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "Skerry",
      version,
      description: "One control plane for AI models that run in cloud pods and on edge nodes.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: serverUrl }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    components: {
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "An API key, `sk_…`." },
        session: {
          type: "apiKey",
          in: "cookie",
          name: cookieName,
          description:
            "A session in a browser, by `POST /api/v1/session`. What is no GET or HEAD also needs its token in `X-CSRF-Token`.",
        },
      },
    },
    paths,
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const { access } = route;
  const isPublic = access === "public";
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [route.tag],
    ...(!isPublic && { description: `Roles: ${rolesOf(access).join(", ")}.` }),
    security: isPublic ? [] : [{ apiKey: [] }, { session: [] }],
    requestParams: { ...objectOf("path", route.params), ...objectOf("query", queryOf(route)), ...headerParams(route) },
    ...requestBody(route),
    responses: {
      ...Object.fromEntries(route.statuses.map((status) => [String(status), successOf(route, status)])),
      default: failureOf(route),
    },
  };
}

/** e.g. `post_api_v1_nodes_node_cordon`. */
const operationId = ({ method, path }: Route): string =>
  `${method.toLowerCase()}${path.replaceAll(/[{}]/g, "").replaceAll(/[^A-Za-z0-9]+/g, "_")}`;

function objectOf(place: "path" | "query", schema: z.ZodType): Partial<Record<"path" | "query", z.ZodObject>> {
  if (!(schema instanceof z.ZodObject)) return {};
  // A parameter that must not be there (a version in a path without one) is none.
  const names = Object.keys(schema.shape).filter(
    (name) => !(schema.shape[name] instanceof z.ZodOptional && schema.shape[name].unwrap() instanceof z.ZodUndefined),
  );
  return names.length === 0
    ? {}
    : { [place]: z.object(Object.fromEntries(names.map((name) => [name, schema.shape[name]]))) };
}

const queryOf = (route: Route): z.ZodType =>
  takesReason(route) && route.query instanceof z.ZodObject ? route.query.extend({ reason: changeReason }) : route.query;

/** What `once` takes. */
const idempotencyKey = z
  .string()
  .regex(/^[!-~]{1,200}$/)
  .describe("Repetitions with the same key are answered with the first answer.");
/** What `ifMatchOf` and `checkContent` take. */
const ifMatch = z
  .string()
  .regex(/^(\*|"[0-9a-f]{1,64}")$/)
  .describe("The `ETag` that was read, or `*`.");

function headerParams({ method, path, streams }: Route): { header?: z.ZodObject } {
  if (!path.startsWith("/api/v1")) return {};
  if (streams.includes(STREAM_TYPE)) return { header: z.object({ "Last-Event-ID": z.string().optional() }) };
  if (method === "POST") return { header: z.object({ "Idempotency-Key": idempotencyKey.optional() }) };
  if (method === "PUT" || method === "PATCH" || method === "DELETE")
    return { header: z.object({ "If-Match": ifMatch.optional() }) };
  return {};
}

function requestBody(route: Route): Pick<ZodOpenApiOperationObject, "requestBody"> | object {
  if (route.takesBytes) {
    const types = route.streams.length > 0 ? route.streams : ["application/octet-stream"];
    return {
      requestBody: {
        required: true,
        content: Object.fromEntries(types.map((type) => [type, { schema: contentSchema(type, route.jsonForm?.body) }])),
      },
    };
  }
  return route.body
    ? {
        requestBody: {
          required: !route.body.safeParse({}).success,
          content: { "application/json": { schema: route.body } },
        },
      }
    : {};
}

type ContentSchema = z.ZodType | { readonly type: "string"; readonly format?: "binary" };

/** Of a route that takes or answers bytes: its JSON where it has one, of a stream each event, else any bytes. */
function contentSchema(type: string, json: z.ZodType | undefined): ContentSchema {
  if (type === JSON_TYPE && json !== undefined) return json;
  if (type === STREAM_TYPE) return streamEvent;
  return type.startsWith("text/") ? { type: "string" } : { type: "string", format: "binary" };
}

function successOf(route: Route, status: number): ZodOpenApiResponseObject {
  if (status >= 400 && !route.answer) return failureOf(route);
  const description = status < 400 ? "Done" : "Not now";
  const content = {
    ...(route.answer && { "application/json": { schema: route.answer } }),
    ...Object.fromEntries(route.streams.map((type) => [type, { schema: contentSchema(type, route.jsonForm?.answer) }])),
  };
  return Object.keys(content).length > 0 ? { description, content } : { description };
}

function failureOf({ path }: Route): ZodOpenApiResponseObject {
  if (isInferenceProtocol(path))
    return {
      description: "An error; `Skerry-Error` carries its code",
      content: { "application/json": { schema: inferenceError } },
    };
  if (isOpenAi(path))
    return {
      description: "An error in OpenAI's form; `Skerry-Error` carries its code",
      content: { "application/json": { schema: openAiErrorBody } },
    };
  return {
    description: "An error of the catalog in docs/errors.md",
    content: { "application/problem+json": { schema: problem } },
  };
}
