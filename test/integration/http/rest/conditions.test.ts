import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

const SPEC = { name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } };

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const ask = (method: string, path: string, { body, ...headers }: Record<string, unknown> = {}) =>
  api.call(method, path, {
    key: api.keyOf.operator,
    ...(body !== undefined && { body }),
    headers: headers as Record<string, string>,
  });

describe("ETag and If-Match of deployments", () => {
  it("changes with the spec and not with an equal one", async () => {
    const before = await ask("GET", "/api/v1/deployments/digits");
    const same = await ask("PUT", "/api/v1/deployments/digits", { body: before.body.spec });
    expect(same.headers.etag).toBe(before.headers.etag);
    expect(same.body.generation).toBe(before.body.generation);
    const changed = await ask("PUT", "/api/v1/deployments/digits", {
      body: { ...SPEC, placement: { edge: { min: 2 } } },
    });
    expect(changed.headers.etag).not.toBe(before.headers.etag);
    expect(changed.body.generation).toBe(before.body.generation + 1);
  });

  it("refuses the second of two writers", async () => {
    const { headers } = await ask("GET", "/api/v1/deployments/digits");
    const etag = headers.etag;
    const [first, second] = [{ edge: { min: 2 } }, { edge: { min: 3 } }].map((placement) => ({ ...SPEC, placement }));
    expect((await ask("PUT", "/api/v1/deployments/digits", { body: first, "If-Match": etag })).status).toBe(200);
    const late = await ask("PUT", "/api/v1/deployments/digits", { body: second, "If-Match": etag });
    expect([late.status, late.body.code]).toEqual([412, "STALE_ETAG"]);
    expect((await ask("DELETE", "/api/v1/deployments/digits", { "If-Match": etag })).status).toBe(412);
    expect((await ask("GET", "/api/v1/deployments/digits")).body.spec.placement.edge.min).toBe(2);
  });

  it("takes * for whatever exists", async () => {
    const other = { ...SPEC, name: "other" };
    expect((await ask("PUT", "/api/v1/deployments/other", { body: other, "If-Match": "*" })).status).toBe(412);
    expect((await ask("PUT", "/api/v1/deployments/other", { body: other })).status).toBe(201);
    expect((await ask("PUT", "/api/v1/deployments/other", { body: other, "If-Match": "*" })).status).toBe(200);
  });

  it("deletes with the right one", async () => {
    const { headers } = await ask("GET", "/api/v1/deployments/digits");
    expect((await ask("DELETE", "/api/v1/deployments/digits", { "If-Match": headers.etag })).status).toBe(204);
    expect((await ask("GET", "/api/v1/deployments/digits")).status).toBe(404);
  });
});

describe("ETag and If-Match of nodes", () => {
  it("holds for PATCH, the verbs and DELETE", async () => {
    const { headers } = await ask("GET", "/api/v1/nodes/edge-a");
    const patched = await ask("PATCH", "/api/v1/nodes/edge-a", {
      body: { labels: { gpu: "true" } },
      "If-Match": headers.etag,
    });
    expect(patched.body.labels).toEqual({ gpu: "true" });
    for (const [method, path] of [
      ["PATCH", ""],
      ["POST", "/drain"],
      ["DELETE", ""],
    ] as const) {
      const late = await ask(method, `/api/v1/nodes/edge-a${path}`, {
        "If-Match": headers.etag,
        ...(method === "PATCH" && { body: { site: "north" } }),
      });
      expect(late.status).toBe(412);
    }
    expect((await ask("DELETE", "/api/v1/nodes/edge-a", { "If-Match": patched.headers.etag })).status).toBe(204);
    expect((await ask("GET", "/api/v1/nodes/edge-a")).body.state).toBe("revoked");
  });

  it("tells flags apart", async () => {
    expect((await ask("POST", "/api/v1/nodes/edge-a/cordon")).body).toMatchObject({ cordoned: true, draining: false });
    expect((await ask("POST", "/api/v1/nodes/edge-a/drain")).body).toMatchObject({ cordoned: true, draining: true });
    expect((await ask("POST", "/api/v1/nodes/edge-a/uncordon")).body).toMatchObject({
      cordoned: false,
      draining: false,
    });
    expect(api.stores.happened.map(({ reason }) => reason)).toEqual([
      "NodeCordoned",
      "NodeDrainStarted",
      "NodeUncordoned",
    ]);
  });
});

describe("a drain with a deadline", () => {
  it("shows the deadline and what it waits for, and ends with the drain", async () => {
    const body = { deadlineSeconds: 600, atDeadline: "remove" };
    const drained = await ask("POST", "/api/v1/nodes/edge-a/drain", { body });
    expect(drained.body.drain).toMatchObject({ leftMs: 600_000, overdue: false, atDeadline: "remove" });
    expect(api.stores.happened.at(-1)?.message).toContain("within 600 s; what is left is removed then");
    expect((await ask("POST", "/api/v1/nodes/edge-a/uncordon")).body.drain).toBeNull();
  });

  it.each([
    ["no deadline for what is to happen at it", { atDeadline: "remove" }, "atDeadline"],
    ["a deadline of more than 7 days", { deadlineSeconds: 604_801 }, "deadlineSeconds"],
    ["another word", { deadlineSeconds: 10, atDeadline: "cut" }, "atDeadline"],
    ["a field that nobody knows", { deadline: 10 }, "deadline"],
  ])("is refused with %s", async (_, body, field) => {
    const refused = await ask("POST", "/api/v1/nodes/edge-a/drain", { body });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toContain(field);
  });
});

describe("If-None-Match of what a PUT may create", () => {
  const deployment = { name: "fresh", model: "digits", version: 1 };
  const pool = { name: "fresh", namespace: "skerry", deployment: "fresh", min: 0, max: 1 };

  it.each([
    ["a deployment", "/api/v1/deployments/fresh", deployment],
    ["a pool", "/api/v1/cloud-pools/fresh", pool],
    ["an alias", "/api/v1/models/digits/aliases/fresh", { version: 1 }],
  ])("makes %s once, and never replaces one", async (_, path, body) => {
    const make = (): ReturnType<typeof ask> => ask("PUT", path, { body, "If-None-Match": "*" });
    expect([200, 201]).toContain((await make()).status);
    const again = await make();
    expect([again.status, again.body.code]).toEqual([412, "STALE_ETAG"]);
    const other = await ask("PUT", path, { body, "If-None-Match": '"1"' });
    expect([other.status, other.body.code]).toEqual([400, "INVALID_REQUEST"]);
  });
});

describe("ETag and If-Match of models and aliases", () => {
  it("refuses a change of labels that were changed meanwhile", async () => {
    const { headers } = await ask("GET", "/api/v1/models/digits");
    expect(
      (await ask("PATCH", "/api/v1/models/digits", { body: { labels: { a: "1" } }, "If-Match": headers.etag })).status,
    ).toBe(200);
    expect(
      (await ask("PATCH", "/api/v1/models/digits", { body: { labels: { a: "2" } }, "If-Match": headers.etag })).status,
    ).toBe(412);
  });

  it("moves an alias by compare-and-set on its version", async () => {
    const path = "/api/v1/models/digits/aliases/stable";
    expect((await ask("PUT", path, { body: { version: 1 }, "If-None-Match": "*" })).headers.etag).toBe('"1"');
    expect((await ask("PUT", path, { body: { version: 1 }, "If-None-Match": "*" })).status).toBe(412);
    expect((await ask("PUT", path, { body: { version: 2 }, "If-Match": '"1"' })).status).toBe(200);
    expect((await ask("PUT", path, { body: { version: 2 }, "If-Match": '"1"' })).status).toBe(412);
    expect((await ask("PUT", path, { body: { version: 1 }, "If-Match": "*" })).status).toBe(200);
  });
});

describe("Idempotency-Key", () => {
  const key = { "Idempotency-Key": "k-1" };

  it("answers a repetition with the first answer", async () => {
    const first = await ask("POST", "/api/v1/models", { body: { name: "fresh" }, ...key });
    const second = await ask("POST", "/api/v1/models", { body: { name: "fresh" }, ...key });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect(second.headers["idempotent-replayed"]).toBe("true");
  });

  it("refuses the same key for another request", async () => {
    await ask("POST", "/api/v1/models", { body: { name: "fresh" }, ...key });
    const other = await ask("POST", "/api/v1/models", { body: { name: "other" }, ...key });
    expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_MISMATCH"]);
  });

  it("is free again after a failure", async () => {
    expect((await ask("POST", "/api/v1/models", { body: { name: "digits" }, ...key })).status).toBe(409);
    api.catalog.models.delete("digits");
    expect((await ask("POST", "/api/v1/models", { body: { name: "digits" }, ...key })).status).toBe(201);
  });

  it("belongs to the API key that sent it", async () => {
    await ask("POST", "/api/v1/models", { body: { name: "fresh" }, ...key });
    const byAdmin = await api.call("POST", "/api/v1/models", {
      key: api.keyOf.admin,
      body: { name: "other" },
      headers: key,
    });
    expect(byAdmin.status).toBe(201);
  });

  it("keeps no secret: a repetition says what was made and that it must be made anew", async () => {
    const first = await ask("POST", "/api/v1/join-tokens", { body: {}, ...key });
    expect(first.body.token).toMatch(/^skj1\.none\.none\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{43}$/);
    const second = await ask("POST", "/api/v1/join-tokens", { body: {}, ...key });
    expect([second.status, second.body.code]).toEqual([409, "CONFLICT"]);
    expect(second.body.detail).toContain(first.body.id);
    expect(api.stores.keptReplies()).not.toContain(first.body.token.split(".").at(-1));
  });
});
