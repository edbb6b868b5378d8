import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

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
    ["GET", "/v2/models/digits:explain", 405, "METHOD_NOT_ALLOWED"],
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
