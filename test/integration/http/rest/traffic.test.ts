import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const ask = (query: string) => api.call("GET", `/api/v1/traffic${query}`, { key: api.keyOf.viewer });

describe("GET /api/v1/traffic", () => {
  it("has the loads that nodes reported only for those who ask for them", async () => {
    expect((await ask("")).body.loads).toBeNull();
    expect((await ask("?loads=false")).body.loads).toBeNull();
    const { loads } = (await ask("?loads=true")).body;
    const figures = { cpuPct: 10, memFreeMiB: 6_000, inFlight: 0, ageMs: 0 };
    expect(loads).toEqual([
      { node: "edge-a", ...figures },
      { node: "edge-b", ...figures },
    ]);
    expect((await ask("?loads")).body.loads).toHaveLength(2);
  });

  it("refuses another value, and names the field", async () => {
    const { status, body } = await ask("?loads=yes");
    expect([status, body.causes[0].field]).toEqual([400, "loads"]);
  });
});
