import type { ErrorCode } from "../../../../shared/base/errors.ts";
import type { Call } from "./http-call.ts";

export const SPEC = { name: "digits", model: "digits", version: 1 };

/** Every way to be refused that a caller can find alone. */
export const REFUSALS: readonly {
  readonly what: string;
  readonly code: ErrorCode;
  readonly ask: readonly [string, string, Call?];
}[] = [
  {
    what: "an unknown field",
    code: "INVALID_REQUEST",
    ask: ["PUT", "/api/v1/deployments/digits", { body: { ...SPEC, replicas: 3 } }],
  },
  { what: "an unknown query parameter", code: "INVALID_REQUEST", ask: ["GET", "/api/v1/nodes?page=2"] },
  {
    what: "a query parameter that is there twice",
    code: "INVALID_REQUEST",
    ask: ["GET", "/api/v1/nodes?limit=1&limit=2"],
  },
  { what: "a name that is none", code: "INVALID_REQUEST", ask: ["GET", "/api/v1/models/UPPER"] },
  { what: "a broken escape in the path", code: "INVALID_REQUEST", ask: ["GET", "/api/v1/models/%ZZ"] },
  {
    what: "a body that is no JSON",
    code: "INVALID_REQUEST",
    ask: ["POST", "/api/v1/models", { bytes: Buffer.from("{"), headers: { "Content-Type": "application/json" } }],
  },
  {
    what: "a key that is there twice",
    code: "INVALID_REQUEST",
    ask: [
      "POST",
      "/api/v1/models",
      { bytes: Buffer.from('{"name":"a","name":"b"}'), headers: { "Content-Type": "application/json" } },
    ],
  },
  {
    what: "__proto__",
    code: "INVALID_REQUEST",
    ask: [
      "POST",
      "/api/v1/models",
      { bytes: Buffer.from('{"__proto__":{"a":1}}'), headers: { "Content-Type": "application/json" } },
    ],
  },
  {
    what: "a body 10,000 levels deep",
    code: "INVALID_REQUEST",
    ask: [
      "POST",
      "/api/v1/models",
      { bytes: Buffer.from("[".repeat(10_000)), headers: { "Content-Type": "application/json" } },
    ],
  },
  {
    what: "a number that is infinite",
    code: "INVALID_REQUEST",
    ask: [
      "POST",
      "/api/v1/models/digits/versions",
      {
        bytes: Buffer.from(`{"bytes":1e999,"sha256":"${"a".repeat(64)}"}`),
        headers: { "Content-Type": "application/json" },
      },
    ],
  },
  { what: "a selector that is none", code: "INVALID_REQUEST", ask: ["GET", "/api/v1/nodes?labelSelector=a%20b"] },
  { what: "a cursor that is none", code: "INVALID_REQUEST", ask: ["GET", "/api/v1/nodes?cursor=!"] },
  {
    what: "an ETag that is none of ours",
    code: "INVALID_REQUEST",
    ask: ["DELETE", "/api/v1/deployments/digits", { headers: { "If-Match": "W/x" } }],
  },
  {
    what: "another name than the path's",
    code: "INVALID_REQUEST",
    ask: ["PUT", "/api/v1/deployments/other", { body: SPEC }],
  },
  {
    what: "an Idempotency-Key with a space",
    code: "INVALID_REQUEST",
    ask: ["POST", "/api/v1/models", { body: { name: "m" }, headers: { "Idempotency-Key": "a b" } }],
  },
  { what: "a path that does not exist", code: "NOT_FOUND", ask: ["GET", "/api/v1/nothing"] },
  { what: "a path outside the API", code: "NOT_FOUND", ask: ["GET", "/nothing"] },
  { what: "a route of a later day", code: "NOT_FOUND", ask: ["POST", "/api/v1/deployments/digits/rollout/pause"] },
  { what: "an object that does not exist", code: "NOT_FOUND", ask: ["GET", "/api/v1/nodes/nobody"] },
  {
    what: "a deployment of a model that does not exist",
    code: "NOT_FOUND",
    ask: ["PUT", "/api/v1/deployments/x", { body: { ...SPEC, name: "x", model: "x" } }],
  },
  { what: "another method", code: "METHOD_NOT_ALLOWED", ask: ["PUT", "/api/v1/nodes"] },
  {
    what: "an object that is there already",
    code: "CONFLICT",
    ask: ["POST", "/api/v1/models", { body: { name: "digits" } }],
  },
  {
    what: "an alias that moved meanwhile",
    code: "STALE_ETAG",
    ask: ["PUT", "/api/v1/models/digits/aliases/champion", { body: { version: 1 }, headers: { "If-Match": '"7"' } }],
  },
  {
    what: "a JSON body over 256 KiB",
    code: "TOO_LARGE",
    ask: [
      "POST",
      "/api/v1/models",
      { bytes: Buffer.alloc(262_145, 32), headers: { "Content-Type": "application/json" } },
    ],
  },
  {
    what: "a body in an encoding that is not served",
    code: "UNSUPPORTED_MEDIA_TYPE",
    ask: ["POST", "/api/v1/models", { body: { name: "m" }, headers: { "Content-Encoding": "br" } }],
  },
  {
    what: "a body that is not compressed as it says",
    code: "INVALID_REQUEST",
    ask: ["POST", "/api/v1/models", { body: { name: "m" }, headers: { "Content-Encoding": "gzip" } }],
  },
  {
    what: "a compressed upload",
    code: "UNSUPPORTED_MEDIA_TYPE",
    ask: ["PUT", "/api/v1/uploads/up-1?offset=0", { bytes: Buffer.from("x"), headers: { "Content-Encoding": "gzip" } }],
  },
  {
    what: "a form",
    code: "UNSUPPORTED_MEDIA_TYPE",
    ask: [
      "POST",
      "/api/v1/models",
      { bytes: Buffer.from("name=m"), headers: { "Content-Type": "application/x-www-form-urlencoded" } },
    ],
  },
  {
    what: "a text, which a browser sends for any page",
    code: "UNSUPPORTED_MEDIA_TYPE",
    ask: ["POST", "/api/v1/models", { bytes: Buffer.from('{"name":"m"}'), headers: { "Content-Type": "text/plain" } }],
  },
  {
    what: "an upload that is not of bytes",
    code: "UNSUPPORTED_MEDIA_TYPE",
    ask: [
      "PUT",
      "/api/v1/uploads/up-1?offset=0",
      { bytes: Buffer.from("{}"), headers: { "Content-Type": "application/json" } },
    ],
  },
];
