import { describe, expect, it } from "@jest/globals";
import { parseModelPath, pathOf } from "../../../../../shared/inference/http/path.ts";

describe("a model's path", () => {
  const digits = { model: "digits", version: undefined };
  const longest = "x".repeat(300);
  it.each<[string, unknown]>([
    ["/v2/models/digits", { operation: "metadata", target: digits }],
    ["/v2/models/digits/ready", { operation: "ready", target: digits }],
    ["/v2/models/digits/infer", { operation: "infer", target: digits }],
    ["/v2/models/digits:explain", { operation: "explain", target: digits }],
    ["/v2/models/digits/versions/3/infer", { operation: "infer", target: { model: "digits", version: "3" } }],
    ["/v2/models/digits/versions/3:explain", { operation: "explain", target: { model: "digits", version: "3" } }],
    ["/v2/models/a%2Eb/infer", { operation: "infer", target: { model: "a.b", version: undefined } }],
    ["/v2/models/a:b/infer", { operation: "infer", target: { model: "a:b", version: undefined } }],
    ["/v2/models/%ZZ/infer", { operation: "infer", target: { model: "%ZZ", version: undefined } }],
    [`/v2/models/${longest}/infer`, { operation: "infer", target: { model: longest, version: undefined } }],
    ["/v2/models//infer", undefined],
    ["/v2/models/a/b/infer", undefined],
    ["/v2/models/digits/infer/more", undefined],
    ["/V2/models/digits/infer", undefined],
  ])("is read from %s", (path, expected) => {
    expect(parseModelPath(path)).toEqual(expected);
  });

  it("leaves query and closing slash out", () => {
    expect(pathOf({ url: "/v2/models/digits/?verbose=1" })).toBe("/v2/models/digits");
    expect(pathOf({ url: "/" })).toBe("/");
  });
});
