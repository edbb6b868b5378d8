import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { problem } from "../../../../shared/api/v1/common.ts";
import { ERRORS } from "../../../../shared/base/errors.ts";
import type { Answer } from "../support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";
import { SPEC, REFUSALS } from "../support/refusals.ts";

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

/** Code and status of a well-formed problem: the rest must agree with them. */
function problemOf(answer: Answer): { code: string; status: number } {
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  const { code, status, requestId } = problem.parse(answer.body);
  expect([status, requestId]).toEqual([answer.status, answer.headers["x-request-id"]]);
  expect(Object.keys(ERRORS)).toContain(code);
  return { code, status };
}
