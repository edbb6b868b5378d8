import { describe, expect, it } from "@jest/globals";
import { parseInferenceHeaders } from "../../../../../shared/inference/http/request-headers.ts";
import { JSON_BODY } from "../../../../../shared/protocol/frames/inference-frame.ts";

describe("the headers of an inference", () => {
  it("ask for nothing when there are none", () => {
    expect(parseInferenceHeaders({})).toEqual({
      headerLength: JSON_BODY,
      timeoutMs: undefined,
      site: undefined,
      residency: undefined,
      prefer: undefined,
      sticky: undefined,
      stream: undefined,
    });
  });

  it("name a stream by visible ASCII characters", () => {
    expect(parseInferenceHeaders({ "skerry-stream": "press-7/left" }).stream).toBe("press-7/left");
    for (const key of ["", "two words", "a".repeat(129)])
      expect(() => parseInferenceHeaders({ "skerry-stream": key })).toThrow("Skerry-Stream must be 1–128");
  });

  it("tell raw bytes from JSON", () => {
    expect(parseInferenceHeaders({ "inference-header-content-length": "0" }).headerLength).toBe(0);
  });

  it("ignore a site that cannot be one", () => {
    expect(parseInferenceHeaders({ "skerry-site": "No Such" }).site).toBeUndefined();
  });

  it("take an empty sticky key for none", () => {
    expect(parseInferenceHeaders({ "skerry-sticky": "" }).sticky).toBeUndefined();
  });

  it("take JSON with a charset", () => {
    expect(() => parseInferenceHeaders({ "content-type": "Application/JSON; charset=utf-8" })).not.toThrow();
  });

  const plain = [
    "",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=UTF-8",
    "text/plain",
    "text/plain;charset=UTF-8",
  ];
  for (const type of plain) {
    it(`take ${JSON.stringify(type)} as a content type`, () => {
      expect(() => parseInferenceHeaders({ "content-type": type })).not.toThrow();
    });
  }

  it("refuse another content type", () => {
    expect(() => parseInferenceHeaders({ "content-type": "image/png" })).toThrow("image/png");
  });

  it("refuse a length that is no number", () => {
    expect(() => parseInferenceHeaders({ "inference-header-content-length": "-1" })).toThrow("Inference-Header");
  });

  for (const timeout of ["", "0", "60001", "1.5", "1e3", "abc"]) {
    it(`refuse ${JSON.stringify(timeout)} as a timeout`, () => {
      expect(() => parseInferenceHeaders({ "skerry-timeout-ms": timeout })).toThrow("Skerry-Timeout-Ms");
    });
  }
});
