import { describe, expect, it } from "@jest/globals";
import { parseInferenceHeaders } from "../../../../../control-plane/adapters/http/inference/inference-headers.ts";
import { parseInferencePath } from "../../../../../control-plane/adapters/http/inference/inference-path.ts";
import { JSON_BODY } from "../../../../../shared/protocol/inference-frame.ts";

describe("the headers of an inference", () => {
  it("wish for nothing when there are none", () => {
    expect(parseInferenceHeaders({})).toEqual({
      headerLength: JSON_BODY,
      timeoutMs: undefined,
      site: undefined,
      residency: undefined,
      prefer: undefined,
    });
  });

  it("tell raw bytes from JSON", () => {
    expect(parseInferenceHeaders({ "inference-header-content-length": "0" }).headerLength).toBe(0);
  });

  it("ignore a site that cannot be one", () => {
    expect(parseInferenceHeaders({ "skerry-site": "No Such" }).site).toBeUndefined();
  });

  it("take JSON with a charset", () => {
    expect(() => parseInferenceHeaders({ "content-type": "Application/JSON; charset=utf-8" })).not.toThrow();
  });

  for (const timeout of ["", "0", "60001", "1.5", "1e3", "abc"]) {
    it(`refuse ${JSON.stringify(timeout)} as a timeout`, () => {
      expect(() => parseInferenceHeaders({ "skerry-timeout-ms": timeout })).toThrow("Skerry-Timeout-Ms");
    });
  }
});

describe("the path of an inference", () => {
  const cases = [
    ["/v2/models/digits/infer", { model: "digits", version: undefined }],
    ["/v2/models/digits/versions/3/infer", { model: "digits", version: "3" }],
    ["/v2/models/a%2Eb/infer", { model: "a.b", version: undefined }],
    ["/v2/models/%ZZ/infer", { model: "%ZZ", version: undefined }],
    ["/v2/models/infer", undefined],
    ["/v2/models/a/b/infer", undefined],
    ["/v2/models/a/versions/infer", undefined],
    ["/v2/models/digits/infer/more", undefined],
    ["/V2/models/digits/infer", undefined],
    ["/v2/models/digits", undefined],
  ] as const;
  for (const [path, target] of cases) {
    it(`${target ? "is" : "is not"} ${path}`, () => {
      expect(parseInferencePath(path)).toEqual(target);
    });
  }
});
