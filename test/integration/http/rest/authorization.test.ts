import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { role, type Role } from "../../../../shared/api/v1/access/keys.ts";
import type { Route } from "../../../../control-plane/adapters/http/server/route.ts";
import { GrpcClient } from "../../../support/network/grpc-client.ts";
import type { Answer } from "../support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

/** Who may. `own`: applications too, for the objects of the models that their keys name. */
interface Row {
  readonly roles: readonly Role[];
  readonly isOwn: boolean;
}
const row = (...roles: readonly Role[]): Row => ({ roles, isOwn: roles.includes("application") });
const READ_OWN = row("viewer", "operator", "admin", "application");
const READ = row("viewer", "operator", "admin");
const CHANGE = row("operator", "admin");
const ADMIN = row("admin");
const INVOKE = row("operator", "admin", "application");
const PUBLIC = row();

/** Every route and who may call it: written by hand, so that a change of the table in the code is seen. */
const TABLE: Readonly<Record<string, Row>> = {
  "GET /api/v1/models": READ_OWN,
  "GET /api/v1/models/{model}": READ_OWN,
  "GET /api/v1/models/{model}/versions": READ_OWN,
  "GET /api/v1/models/{model}/versions/{version}": READ_OWN,
  "GET /api/v1/models/{model}/versions/{version}/placements": READ_OWN,
  "GET /api/v1/models/{model}/versions/{version}/manifest": READ_OWN,
  "PUT /api/v1/models/{model}/versions/{version}/release": CHANGE,
  "GET /api/v1/models/{model}/versions/{version}/diff/{other}": READ_OWN,
  "GET /api/v1/models/{model}/versions/{version}/artifact": READ,
  "GET /api/v1/models/{model}/versions/{version}/upload": CHANGE,
  "POST /api/v1/models": CHANGE,
  "PATCH /api/v1/models/{model}": CHANGE,
  "DELETE /api/v1/models/{model}": ADMIN,
  "POST /api/v1/models/{model}/versions": CHANGE,
  "DELETE /api/v1/models/{model}/versions/{version}": ADMIN,
  "PUT /api/v1/models/{model}/aliases/{alias}": CHANGE,
  "DELETE /api/v1/models/{model}/aliases/{alias}": CHANGE,
  "PUT /api/v1/uploads/{upload}": CHANGE,
  "HEAD /api/v1/uploads/{upload}": CHANGE,
  "POST /api/v1/uploads/{upload}/complete": CHANGE,
  "GET /api/v1/deployments": READ_OWN,
  "GET /api/v1/deployments/{deployment}": READ_OWN,
  "GET /api/v1/deployments/{deployment}/placements": READ_OWN,
  "GET /api/v1/deployments/{deployment}/endpoints": READ_OWN,
  "GET /api/v1/deployments/{deployment}/explain": READ,
  "PUT /api/v1/deployments/{deployment}": CHANGE,
  "DELETE /api/v1/deployments/{deployment}": CHANGE,
  "POST /api/v1/deployments/{deployment}/retry": CHANGE,
  "GET /api/v1/deployments/{deployment}/rollout": READ_OWN,
  "GET /api/v1/deployments/{deployment}/rollout/history": READ_OWN,
  "POST /api/v1/deployments/{deployment}/rollout/pause": CHANGE,
  "POST /api/v1/deployments/{deployment}/rollout/resume": CHANGE,
  "POST /api/v1/deployments/{deployment}/rollout/promote": CHANGE,
  "POST /api/v1/deployments/{deployment}/rollout/abort": CHANGE,
  "POST /api/v1/deployments/{deployment}/rollout/approve": CHANGE,
  "POST /api/v1/deployments/{deployment}/rollout/undo": CHANGE,
  "POST /api/v1/plan": READ,
  "GET /api/v1/nodes": READ,
  "GET /api/v1/nodes/{node}": READ,
  "PATCH /api/v1/nodes/{node}": CHANGE,
  "DELETE /api/v1/nodes/{node}": CHANGE,
  "POST /api/v1/nodes/{node}/cordon": CHANGE,
  "POST /api/v1/nodes/{node}/uncordon": CHANGE,
  "POST /api/v1/nodes/{node}/drain": CHANGE,
  "POST /api/v1/nodes/{node}/approve": CHANGE,
  "POST /api/v1/nodes/{node}/reject": CHANGE,
  "POST /api/v1/nodes/{node}/replace": ADMIN,
  "GET /api/v1/cloud-pools": READ,
  "GET /api/v1/cloud-pools/{pool}": READ,
  "PUT /api/v1/cloud-pools/{pool}": CHANGE,
  "DELETE /api/v1/cloud-pools/{pool}": CHANGE,
  "POST /api/v1/join-tokens": CHANGE,
  "GET /api/v1/join-tokens": READ,
  "DELETE /api/v1/join-tokens/{id}": CHANGE,
  "GET /api/v1/events": READ,
  "GET /api/v1/traffic": READ,
  "GET /api/v1/audit": ADMIN,
  "GET /api/v1/audit/head": ADMIN,
  "POST /api/v1/api-keys": ADMIN,
  "POST /api/v1/api-keys/{id}/rotate": ADMIN,
  "GET /api/v1/api-keys": ADMIN,
  "DELETE /api/v1/api-keys/{id}": ADMIN,
  "GET /api/v1/whoami": READ_OWN,
  "POST /api/v1/session": PUBLIC, // a key or a code in its body is its right
  "GET /api/v1/login": PUBLIC,
  "GET /api/v1/login/oidc": PUBLIC,
  "GET /api/v1/login/oidc/callback": PUBLIC, // a code of the identity provider is its right
  "POST /api/v1/login/device": PUBLIC,
  "POST /api/v1/login/device/session": PUBLIC, // likewise
  "GET /api/v1/session": READ_OWN,
  "DELETE /api/v1/session": READ_OWN,
  "GET /api/v1/sessions": ADMIN,
  "DELETE /api/v1/sessions/{id}": ADMIN,
  "POST /api/v1/session/codes": READ_OWN,
  "POST /api/v1/join": PUBLIC, // a join token is its right
  "POST /api/v1/join/pod": PUBLIC, // a token of the cluster is its right
  "GET /v2": PUBLIC,
  "GET /v2/health/live": PUBLIC,
  "GET /v2/health/ready": PUBLIC,
  "GET /v2/models": READ_OWN,
  "POST /v2/repository/index": READ_OWN,
  "POST /v2/repository/models/{model}/load": CHANGE,
  "POST /v2/repository/models/{model}/unload": CHANGE,
  ...Object.fromEntries(
    ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"].flatMap((path) => [
      [`GET ${path}`, READ_OWN],
      [`GET ${path}/config`, READ_OWN],
      [`GET ${path}/stats`, READ_OWN],
      [`GET ${path}/ready`, READ_OWN],
      [`POST ${path}/infer`, INVOKE],
      [`POST ${path}:explain`, INVOKE],
      [`POST ${path}/generate`, INVOKE],
      [`POST ${path}/generate_stream`, INVOKE],
    ]),
  ),
  "GET /v1/models": READ_OWN,
  "GET /v1/models/{id}": READ_OWN,
  "POST /v1/chat/completions": INVOKE,
  "POST /v1/completions": INVOKE,
  "POST /v1/embeddings": INVOKE,
  "GET /livez": PUBLIC,
  "GET /readyz": PUBLIC,
  "GET /metrics": READ,
  "GET /openapi.json": PUBLIC,
  "GET /docs/api": PUBLIC,
};

const SAMPLES: Readonly<Record<string, string>> = {
  model: "digits",
  version: "1",
  other: "1",
  alias: "champion",
  upload: "up-none",
  node: "edge-b",
  deployment: "digits",
  pool: "none",
  id: "digits",
};

const nameOf = ({ method, path }: Route): string => `${method} ${path}`;
const rowOf = (route: Route): Row => TABLE[nameOf(route)] ?? PUBLIC;
const isPublic = (route: Route): boolean => rowOf(route).roles.length === 0;
const pathFor = ({ path }: Route): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => SAMPLES[name] ?? "none");

/** A body that no schema takes: what is allowed is refused for it, and nothing changes under the other calls. */
const REFUSED_BODY = { thisFieldIsUnknown: true, ready: "no boolean", parameters: "no object" };
/** Of requests for text the body names the model, so that only a good one has an object. */
const TEXTS: Readonly<Record<string, object>> = {
  "/v1/chat/completions": { model: "digits", messages: [{ role: "user", content: "Hello" }] },
  "/v1/completions": { model: "digits", prompt: "Hello" },
  "/v1/embeddings": { model: "digits", input: "Hello" },
  generate: { text_input: "Hello" },
  generate_stream: { text_input: "Hello" },
};
const bodyOf = ({ path }: Route): object => TEXTS[path] ?? TEXTS[path.slice(path.lastIndexOf("/") + 1)] ?? REFUSED_BODY;

/** What a role is answered to a route: everybody's mistakes are the same, only rights differ. */
const kindOf = ({ status }: Answer): "no key" | "forbidden" | "answered" => {
  if (status === 401) return "no key";
  return status === 403 ? "forbidden" : "answered";
};

describe("access", () => {
  let api: OpenHttpApi;
  /** Of an application for another model than `digits`. */
  let stranger: string;
  let grpc: GrpcClient;
  beforeAll(async () => {
    // Hundreds of refusals in a row from one address are what this test is made of.
    api = await openHttpApi({
      limits: { failuresPerAddress: { perSecond: 1, burst: 10_000 }, requestsPerKey: { perSecond: 1, burst: 10_000 } },
    });
    const created = await api.call("POST", "/api/v1/api-keys", {
      key: api.keyOf.admin,
      body: { name: "stranger", role: "application", models: ["secret"] },
    });
    stranger = created.body.key;
    grpc = new GrpcClient(await api.api.grpc.listen({ host: "127.0.0.1", port: 0 }));
  });
  afterAll(async () => {
    grpc.close();
    await api.api.grpc.stop(0);
    await api.close();
  });

  const ask = (route: Route, key: string | undefined): Promise<Answer> =>
    api.call(route.method, pathFor(route), {
      key,
      ...(route.method !== "GET" && route.method !== "HEAD" && { body: bodyOf(route) }),
      // A proxy on this machine speaks for somebody elsewhere.
      headers: { "X-Forwarded-For": "192.0.2.7" },
    });
  const guarded = (): readonly Route[] => api.api.routes.filter((route) => !isPublic(route));

  it("is decided for exactly the routes that the running router has", () => {
    expect(api.api.routes.map(nameOf).toSorted()).toEqual(Object.keys(TABLE).toSorted());
  });

  it("is open without a key to the public routes alone", async () => {
    for (const route of api.api.routes) {
      const [without, wrong] = [await ask(route, undefined), await ask(route, `sk_000000000000_${"x".repeat(43)}`)];
      const expected = isPublic(route) ? "answered" : "no key";
      expect([nameOf(route), kindOf(without), kindOf(wrong)]).toEqual([nameOf(route), expected, expected]);
    }
  });

  it.each(role.options)("gives %s what the table says and nothing else", async (each) => {
    for (const route of guarded()) {
      const expected = rowOf(route).roles.includes(each) ? "answered" : "forbidden";
      expect([nameOf(route), kindOf(await ask(route, api.keyOf[each]))]).toEqual([nameOf(route), expected]);
    }
  });

  it("hides every object outside an application's scope, and answers inside it as it answers an admin", async () => {
    for (const route of guarded().filter((each) => rowOf(each).isOwn)) {
      const [own, admin, outside] = [
        await ask(route, api.keyOf.application),
        await ask(route, api.keyOf.admin),
        await ask(route, stranger),
      ];
      const hasObject = /\{(model|deployment|id)\}/.test(route.path) || route.path in TEXTS;
      expect([nameOf(route), own.status]).toEqual([nameOf(route), admin.status]);
      if (hasObject) expect([nameOf(route), outside.status]).toEqual([nameOf(route), 404]);
      else
        expect([nameOf(route), outside.bytes.toString()]).toEqual([
          nameOf(route),
          expect.not.stringContaining("digits"),
        ]);
    }
  });

  it("is the same over gRPC", async () => {
    const methods: Readonly<Record<string, Row>> = {
      ServerLive: PUBLIC,
      ServerReady: PUBLIC,
      ServerMetadata: PUBLIC,
      ModelReady: READ_OWN,
      ModelMetadata: READ_OWN,
      ModelConfig: READ_OWN,
      ModelStatistics: READ_OWN,
      ModelInfer: INVOKE,
      RepositoryIndex: READ_OWN,
      RepositoryModelLoad: CHANGE,
      RepositoryModelUnload: CHANGE,
      ModelStreamInfer: INVOKE, // each message of it is a ModelInfer
    };
    expect(grpc.methods().toSorted()).toEqual(Object.keys(methods).toSorted());
    const askGrpc = async (method: string, model: string, key: string | undefined): Promise<unknown> =>
      (await grpc.call(method, { name: model, model_name: model }, { key })).trailers["skerry-error"];
    for (const [method, { roles, isOwn }] of Object.entries(methods)) {
      if (method === "ModelStreamInfer") continue;
      // Who may load a model waits for it, unless there is none.
      const model = isOwn ? "digits" : "none";
      const isRefused = (await askGrpc(method, model, undefined)) === "UNAUTHENTICATED";
      expect([method, isRefused]).toEqual([method, roles.length > 0]);
      for (const each of role.options.filter(() => roles.length > 0)) {
        const isForbidden = (await askGrpc(method, model, api.keyOf[each])) === "FORBIDDEN";
        expect([method, each, isForbidden]).toEqual([method, each, !roles.includes(each)]);
      }
      if (isOwn && method !== "RepositoryIndex")
        expect([method, await askGrpc(method, model, stranger)]).toEqual([method, "NOT_FOUND"]);
    }
  });

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

  it("may be one deployment: it is seen with its model, and no other deployment of that model", async () => {
    const made = await api.call("POST", "/api/v1/api-keys", {
      key: api.keyOf.admin,
      body: { name: "one", role: "application", deployments: ["digits"] },
    });
    const key = made.body.key;
    expect((await api.call("GET", "/api/v1/whoami", { key })).body).toMatchObject({
      models: ["digits"],
      deployments: ["digits"],
    });
    expect((await api.call("GET", "/api/v1/deployments/digits", { key })).status).toBe(200);
    expect((await api.call("GET", "/v2/models", { key })).body).toEqual({ models: ["digits"] });
    const other = await api.call("POST", "/api/v1/api-keys", {
      key: api.keyOf.admin,
      body: { name: "other", role: "application", deployments: ["another"] },
    });
    for (const path of ["/api/v1/deployments/digits", "/api/v1/models/digits", "/v2/models/digits"])
      expect((await api.call("GET", path, { key: other.body.key })).status).toBe(404);
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
