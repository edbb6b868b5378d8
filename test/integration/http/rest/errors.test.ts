import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { problem } from "../../../../shared/api/v1/common.ts";
import { ERRORS, type ErrorCode } from "../../../../shared/base/errors.ts";
import type { Answer, Call } from "../support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

const SPEC = { name: "digits", model: "digits", version: 1 };

/** Every way to be refused that a caller can find by himself. */
const REFUSALS: readonly {
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

describe("errors of /api/v1", () => {
  let api: OpenHttpApi;
  beforeAll(async () => {
    api = await openHttpApi();
  });
  afterAll(() => api.close());

  for (const { what, code, ask } of REFUSALS) {
    it(`answers ${what} with ${code}`, async () => {
      const [method, path, call] = ask;
      const answer = await api.call(method, path, { key: api.keyOf.admin, ...call });
      expect(problemOf(answer)).toEqual({ code, status: ERRORS[code].status });
    });
  }

  const NUL = String.raw`\u0000`;
  const HALF = String.raw`\ud800`;
  it.each([
    ["a model's label", "POST", "/api/v1/models", `{"name":"m","labels":{"a":"x${NUL}"}}`, "labels.a"],
    ["a name of a label", "PATCH", "/api/v1/models/digits", `{"labels":{"a${HALF}":"x"}}`, "labels"],
    ["a node's label", "PATCH", "/api/v1/nodes/edge-a", `{"labels":{"a":"x${HALF}"}}`, "labels.a"],
    ["a token's site", "POST", "/api/v1/join-tokens", `{"site":"x${NUL}"}`, "site"],
    ["a key's name", "POST", "/api/v1/api-keys", `{"name":"x${NUL}","role":"viewer"}`, "name"],
    ["a version's file", "POST", "/api/v1/models/digits/versions", `{"main":"x${HALF}.onnx"}`, "main"],
    [
      "a deployment's selector",
      "PUT",
      "/api/v1/deployments/digits",
      `{"name":"digits","model":"digits","version":1,"placement":{"where":{"matchLabels":{"a":"${NUL}"}}}}`,
      "placement.where.matchLabels.a",
    ],
  ])("refuses what cannot be stored in %s", async (_what, method, path, json, field) => {
    const headers = { "Content-Type": "application/json" };
    const answer = await api.call(method, path, { key: api.keyOf.admin, bytes: Buffer.from(json), headers });
    expect(problemOf(answer)).toEqual({ code: "INVALID_REQUEST", status: 400 });
    expect(answer.body.causes[0].field).toBe(field);
  });

  it("refuses a body that is not UTF-8, and U+0000 in a query", async () => {
    const headers = { "Content-Type": "application/json" };
    const bytes = Buffer.from([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')]);
    const body = await api.call("POST", "/api/v1/models", { key: api.keyOf.admin, bytes, headers });
    expect(body.body).toMatchObject({ status: 400, detail: "the body was refused: the body is not UTF-8" });
    const query = await api.call("GET", "/api/v1/nodes?labelSelector=a%3Db%00", { key: api.keyOf.admin });
    expect(query.body).toMatchObject({ status: 400, causes: [{ field: "labelSelector" }] });
  });

  it.each([
    ["POST", "/api/v1/models", { name: "m" }],
    ["PATCH", "/api/v1/nodes/edge-a", {}],
    ["POST", "/api/v1/join-tokens", {}],
    ["POST", "/api/v1/models/digits/versions", { bytes: 1, sha256: "a".repeat(64) }],
  ])("refuses 10,000 labels at %s %s", async (method, path, body) => {
    const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`l${i}`, ""]));
    const answer = await api.call(method, path, { key: api.keyOf.admin, body: { ...body, labels } });
    expect(answer.body).toMatchObject({
      status: 400,
      causes: [{ field: "labels", message: "must have at most 64 entries" }],
    });
  });

  it("answers a model name under /v2 that cannot be stored like one that nobody has", async () => {
    for (const path of ["/v2/models/a%00b", "/v2/models/a%00b/ready"])
      expect(await api.call("GET", path, { key: api.keyOf.admin })).toMatchObject({ status: 404 });
    for (const path of ["/v2/models/a%00b/infer", "/v2/repository/models/a%00b/load"])
      expect(await api.call("POST", path, { key: api.keyOf.admin, body: {} })).toMatchObject({ status: 404 });
  });

  it("names the unknown field, by its whole path", async () => {
    const body = { ...SPEC, placement: { edge: { minimum: 1 } } };
    const answer = await api.call("PUT", "/api/v1/deployments/digits", { key: api.keyOf.admin, body });
    expect(answer.body.causes).toEqual([
      { field: "placement.edge.minimum", message: "is not a known field; known are `min`, `max`, `every`" },
    ]);
    expect(answer.body.detail).toContain("`placement.edge.minimum` is not a known field");
  });

  it("names every field that is wrong, in plain words", async () => {
    const body = {
      name: "digits",
      version: 0,
      placement: { residency: "moon", edge: { min: -1 }, cloud: { min: 2.5 } },
    };
    const { body: answer } = await api.call("PUT", "/api/v1/deployments/digits", { key: api.keyOf.admin, body });
    expect(answer.causes).toEqual([
      { field: "model", message: "is missing" },
      { field: "version", message: "must be at least 1" },
      { field: "placement.residency", message: "must be `any` or `edge-only` or `cloud-only`" },
      { field: "placement.edge.min", message: "must be at least 0" },
      { field: "placement.cloud.min", message: "must be a whole number, not a number" },
    ]);
  });

  it("sends the methods of a path with 405", async () => {
    const { headers } = await api.call("POST", "/api/v1/nodes/edge-a", { key: api.keyOf.admin });
    expect(headers.allow).toBe("DELETE, GET, HEAD, PATCH");
  });

  it("names exactly the methods of every path", async () => {
    for (const [path, group] of Map.groupBy(api.api.routes, (route) => route.path)) {
      const methods = new Set<string>(group.map(({ method }) => method));
      if (methods.has("GET")) methods.add("HEAD");
      const { status, headers } = await api.call("OPTIONS", path.replaceAll(/\{\w+\}/g, "1"));
      const expected = { path, status: 405, allow: [...methods].toSorted().join(", ") };
      expect({ path, status, allow: headers.allow }).toEqual(expected);
    }
  });

  it("says nothing of a fault but the request id", async () => {
    const broken = await openHttpApi({
      infer: async () => Promise.reject(new Error("secret detail")),
      readiness: () => {
        throw new Error("secret detail");
      },
    });
    try {
      const answer = await broken.call("GET", "/readyz");
      expect(problemOf(answer)).toEqual({ code: "INTERNAL", status: 500 });
      expect(answer.bytes.toString()).not.toContain("secret detail");
      const inference = await broken.call("POST", "/v2/models/digits/infer", {
        key: broken.keyOf.admin,
        bytes: Buffer.from("{}"),
      });
      expect(inference.headers["skerry-error"]).toBe("INTERNAL");
      expect(inference.bytes.toString()).not.toContain("secret detail");
    } finally {
      await broken.close();
    }
  });

  it("echoes a request id that is fit for a log and makes one otherwise", async () => {
    const echoed = await api.call("GET", "/api/v1/nothing", { headers: { "X-Request-Id": "abc-1" } });
    expect(echoed.headers["x-request-id"]).toBe("abc-1");
    expect(echoed.body.requestId).toBe("abc-1");
    const made = await api.call("GET", "/livez", { headers: { "X-Request-Id": "a b" } });
    expect(made.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("says when to retry while PostgreSQL is away", async () => {
    const away = await openHttpApi();
    try {
      await away.call("GET", "/api/v1/whoami", { key: away.keyOf.operator });
      away.stores.isAway = true;
      const write = await away.call("PUT", "/api/v1/deployments/digits", { key: away.keyOf.operator, body: SPEC });
      expect(problemOf(write)).toEqual({ code: "DATABASE_UNAVAILABLE", status: 503 });
      expect(Number(write.headers["retry-after"])).toBeLessThanOrEqual(2);
      expect((await away.call("GET", "/api/v1/deployments/digits", { key: away.keyOf.operator })).status).toBe(200);
    } finally {
      await away.close();
    }
  });
});

describe("errors of /v2", () => {
  let api: OpenHttpApi;
  beforeAll(async () => {
    api = await openHttpApi();
  });
  afterAll(() => api.close());

  const cases = [
    ["GET", "/v2/models/missing", 404, "NOT_FOUND"],
    ["GET", "/v2/nothing", 404, "NOT_FOUND"],
    ["GET", "/v2/models/digits/infer", 405, "METHOD_NOT_ALLOWED"],
    ["POST", "/v2/models/digits:explain", 501, "NOT_SERVED"],
    ["POST", "/v2/models/digits/versions/1:explain", 501, "NOT_SERVED"],
    ["POST", "/v2/repository/models/missing/load", 404, "NOT_FOUND"],
  ] as const;
  for (const [method, path, status, code] of cases) {
    it(`answers ${method} ${path} with ${code} and {"error"}`, async () => {
      const answer = await api.call(method, path, { key: api.keyOf.operator });
      expect(answer.status).toBe(status);
      expect(answer.headers["skerry-error"]).toBe(code);
      expect(Object.keys(answer.body)).toEqual(["error"]);
    });
  }
});

/** Code and status of a well-formed problem: the rest must agree with them. */
function problemOf(answer: Answer): { code: string; status: number } {
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  const { code, status, requestId } = problem.parse(answer.body);
  expect([status, requestId]).toEqual([answer.status, answer.headers["x-request-id"]]);
  expect(Object.keys(ERRORS)).toContain(code);
  return { code, status };
}
