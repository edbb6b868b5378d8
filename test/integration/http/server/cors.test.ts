import { afterEach, describe, expect, it } from "@jest/globals";
import { CorsPolicy, parseOrigins } from "../../../../shared/inference/http/cors.ts";
import type { Answer } from "../support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
afterEach(() => api.close());

const APP = "https://app.example";
const INFER = "/v2/models/digits/infer";

const preflight = (Origin: string, path = INFER): Promise<Answer> =>
  api.call("OPTIONS", path, { headers: { Origin, "Access-Control-Request-Method": "POST" } });
const infer = (Origin: string): Promise<Answer> =>
  api.call("POST", INFER, { key: api.keyOf.application, body: {}, headers: { Origin } });

describe("pages of other origins", () => {
  it("get nothing unless the setting lists one", async () => {
    api = await openHttpApi();
    expect((await preflight(APP)).status).toBe(405);
    expect((await infer(APP)).headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("may call when their origin is listed, and read Skerry's headers", async () => {
    api = await openHttpApi({ cors: new CorsPolicy([APP]) });
    const asked = await preflight(APP);
    expect(asked.status).toBe(204);
    expect(asked.headers).toMatchObject({
      "access-control-allow-origin": APP,
      "access-control-allow-methods": expect.stringContaining("POST"),
      "access-control-allow-headers": expect.stringContaining("Authorization"),
      vary: "Origin",
    });
    const answer = await infer(APP);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      "access-control-allow-origin": APP,
      "access-control-expose-headers": expect.stringContaining("Skerry-Route"),
      "skerry-node": "edge-a",
    });
    expect(answer.headers["access-control-allow-credentials"]).toBeUndefined();
    expect((await preflight(APP, "/api/v1/nodes")).status).toBe(204);
  });

  it("see why they were refused, too", async () => {
    api = await openHttpApi({ cors: new CorsPolicy([APP]) });
    const answer = await api.call("POST", INFER, { body: {}, headers: { Origin: APP } });
    expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([401, APP]);
  });

  it("of an origin that is not listed get no header", async () => {
    api = await openHttpApi({ cors: new CorsPolicy([APP]) });
    for (const origin of ["https://app.example.evil", "http://app.example", "https://app.example:8443", "null"]) {
      expect((await preflight(origin)).status).toBe(405);
      expect((await infer(origin)).headers["access-control-allow-origin"]).toBeUndefined();
    }
  });

  it("may all call when the setting is *", async () => {
    api = await openHttpApi({ cors: new CorsPolicy(["*"]) });
    expect((await infer("https://any.example")).headers["access-control-allow-origin"]).toBe("https://any.example");
  });

  it("are listed as browsers send them", async () => {
    api = await openHttpApi();
    expect(parseOrigins("https://a.example, http://b.example:8080")).toEqual([
      "https://a.example",
      "http://b.example:8080",
    ]);
    for (const wrong of ["a.example", "https://a.example/", "https://a.example/x", ""])
      expect(parseOrigins(wrong)).toBeUndefined();
  });
});
