import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { role } from "../../../../shared/api/v1/keys.ts";
import type { Route } from "../../../../control-plane/adapters/http/server/route.ts";
import type { Answer } from "../support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

const SAMPLES: Readonly<Record<string, string>> = {
  model: "digits",
  version: "1",
  other: "1",
  alias: "champion",
  upload: "up-none",
  node: "edge-b",
  deployment: "digits",
  pool: "none",
  id: "none",
};

const pathFor = ({ path }: Route): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => SAMPLES[name] ?? "none");

/** A body that no schema takes: what is allowed is refused for it, and nothing changes under the other calls. */
const REFUSED_BODY = { thisFieldIsUnknown: true, ready: "no boolean", parameters: "no object" };

describe("the role matrix", () => {
  let api: OpenHttpApi;
  beforeAll(async () => {
    // Hundreds of refusals in a row from one address are what this test is made of.
    api = await openHttpApi({
      limits: { failuresPerAddress: { perSecond: 1, burst: 10_000 }, requestsPerKey: { perSecond: 1, burst: 10_000 } },
    });
  });
  afterAll(() => api.close());

  const ask = (route: Route, key: string | undefined): Promise<Answer> =>
    api.call(route.method, pathFor(route), {
      key,
      ...(route.method !== "GET" && route.method !== "HEAD" && { body: REFUSED_BODY }),
      // A proxy on this machine speaks for somebody elsewhere.
      headers: { "X-Forwarded-For": "192.0.2.7" },
    });

  it("gives every route a role or declares it public", () => {
    for (const { access, method, path } of api.api.routes) {
      expect({ route: `${method} ${path}`, isDecided: access === "public" || access.length > 0 }).toEqual({
        route: `${method} ${path}`,
        isDecided: true,
      });
    }
  });

  it("has only these public routes", () => {
    const open = api.api.routes
      .filter(({ access }) => access === "public")
      .map(({ method, path }) => `${method} ${path}`);
    expect(open.toSorted()).toEqual([
      "GET /docs/api",
      "GET /livez",
      "GET /openapi.json",
      "GET /readyz",
      "GET /v2",
      "GET /v2/health/live",
      "GET /v2/health/ready",
      "POST /api/v1/join",
      "POST /api/v1/join/pod",
    ]);
  });

  it("refuses a missing and a wrong key on every other route", async () => {
    for (const route of api.api.routes.filter(({ access }) => access !== "public")) {
      const [without, wrong] = [await ask(route, undefined), await ask(route, `sk_000000000000_${"x".repeat(43)}`)];
      expect({ route: route.path, without: without.status, wrong: wrong.status }).toEqual({
        route: route.path,
        without: 401,
        wrong: 401,
      });
    }
  });

  for (const each of role.options) {
    it(`lets ${each} do what the table says and nothing else`, async () => {
      for (const route of api.api.routes.filter(({ access }) => access !== "public")) {
        const { status } = await ask(route, api.keyOf[each]);
        const isAllowed = route.access !== "public" && route.access.includes(each);
        expect({
          route: `${route.method} ${route.path}`,
          isForbidden: status === 403,
          isKnown: status !== 401,
        }).toEqual({
          route: `${route.method} ${route.path}`,
          isForbidden: !isAllowed,
          isKnown: true,
        });
      }
    });
  }

  it("opens the metrics to this machine, and beyond it to a key", async () => {
    expect((await api.call("GET", "/metrics")).status).toBe(200);
    const beyond = { headers: { "X-Forwarded-For": "192.0.2.7" } };
    expect((await api.call("GET", "/metrics", beyond)).status).toBe(401);
    expect((await api.call("GET", "/metrics", { ...beyond, key: api.keyOf.viewer })).status).toBe(200);
  });
});

describe("an application's scope", () => {
  let api: OpenHttpApi;
  beforeAll(async () => {
    api = await openHttpApi();
  });
  afterAll(() => api.close());

  it("shows its models and no others", async () => {
    const { body } = await api.call("GET", "/api/v1/models", { key: api.keyOf.application });
    expect(body.items.map(({ name }: { name: string }) => name)).toEqual(["digits"]);
    expect((await api.call("GET", "/v2/models", { key: api.keyOf.application })).body).toEqual({
      models: ["digits"],
    });
  });

  it("answers for a model outside it as for one that does not exist", async () => {
    for (const path of [
      "/api/v1/models/NAME",
      "/api/v1/models/NAME/versions",
      "/v2/models/NAME",
      "/v2/models/NAME/ready",
    ]) {
      const key = api.keyOf.application;
      const [outside, missing] = await Promise.all(
        ["secret", "missing"].map((name) => api.call("GET", path.replace("NAME", name), { key })),
      );
      expect(outside?.status).toBe(404);
      expect(
        outside?.bytes
          .toString()
          .replace(/"requestId":"[^"]*"/, "")
          .replaceAll("secret", "missing"),
      ).toBe(missing?.bytes.toString().replace(/"requestId":"[^"]*"/, ""));
    }
  });

  it("does not reach inference of another model", async () => {
    const key = api.keyOf.application;
    const headers = { "Content-Type": "application/json" };
    expect((await api.call("POST", "/v2/models/digits/infer", { key, bytes: Buffer.from("{}"), headers })).status).toBe(
      200,
    );
    expect((await api.call("POST", "/v2/models/secret/infer", { key, bytes: Buffer.from("{}"), headers })).status).toBe(
      404,
    );
  });
});
