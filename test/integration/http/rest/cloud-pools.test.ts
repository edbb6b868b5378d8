import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

const GPU = { name: "gpu", namespace: "skerry", deployment: "skerry-node-gpu", max: 4 };

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const ask = (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
  api.call(method, `/api/v1/cloud-pools${path}`, { key: api.keyOf.operator, ...(body && { body }), headers });

describe("pools of cloud nodes", () => {
  it("are declared, shown, changed with their ETag and deleted", async () => {
    const made = await ask("PUT", "/gpu", GPU);
    expect([made.status, made.body]).toEqual([
      201,
      {
        ...GPU,
        min: 0,
        site: null,
        priority: 0,
        wanted: 0,
        replicas: 0,
        ready: 0,
        pending: 0,
        trouble: null,
        pods: [],
        recordedAgeMs: null,
      },
    ]);
    const { headers } = await ask("GET", "/gpu");
    expect(headers.etag).toBe(made.headers.etag);
    const changed = await ask("PUT", "/gpu", { ...GPU, min: 1, site: "berlin" }, { "If-Match": headers.etag ?? "" });
    expect([changed.status, changed.body]).toEqual([200, expect.objectContaining({ min: 1, max: 4, site: "berlin" })]);
    expect((await ask("PUT", "/gpu", GPU, { "If-Match": headers.etag ?? "" })).status).toBe(412);
    expect((await ask("GET", "")).body.items.map(({ name }: { name: string }) => name)).toEqual(["gpu", "settled"]);
    expect((await ask("DELETE", "/gpu")).status).toBe(204);
    expect((await ask("GET", "/gpu")).status).toBe(404);
  });

  it("of the settings are shown as theirs, and are changed there alone", async () => {
    const { body, headers } = await ask("GET", "/settled");
    expect(body).toMatchObject({ managedBy: "environment", deployment: "skerry-node", max: 4 });
    expect(headers.etag).toBeUndefined();
    for (const answer of [
      await ask("PUT", "/settled", { ...GPU, name: "settled" }),
      await ask("DELETE", "/settled"),
      await ask("PUT", "/other", { ...GPU, name: "other", deployment: "skerry-node" }),
    ])
      expect([answer.status, answer.body.detail]).toEqual([409, expect.stringContaining("SKERRY_CLOUD_POOLS")]);
  });

  it("are refused with a name beside their path, bounds that cross, a field that is none, and pods that cannot join", async () => {
    const refused: [body: object, field: string][] = [
      [{ ...GPU, name: "other" }, "name"],
      [{ ...GPU, min: 5 }, "max"],
      [{ ...GPU, replicas: 2 }, "replicas"],
      [{ ...GPU, namespace: "elsewhere" }, "namespace"],
      [{ ...GPU, deployment: "Not_A_Name" }, "deployment"],
    ];
    for (const [body, field] of refused) {
      const answer = await ask("PUT", "/gpu", body);
      expect([answer.status, answer.body.causes]).toEqual([400, [expect.objectContaining({ field })]]);
    }
  });
});
