import { describe, expect, it } from "@jest/globals";
import { ResponseSizes } from "../../../../../edge-node/model-host/onnx/response-size.ts";
import type { Tensor } from "../../../../../shared/inference/tensors/datatypes.ts";

const DIMENSIONS = {
  inputs: [{ name: "x", datatype: "FP32", shape: ["n", 3, "h", "w"] }],
  outputs: [
    { name: "mask", datatype: "BOOL", shape: ["n", "h", "w"] },
    { name: "depth", datatype: "FP32", shape: ["n", 1, "h", "w"] },
    { name: "boxes", datatype: "FP32", shape: ["found", 4] },
  ],
};

const sizes = () => new ResponseSizes(DIMENSIONS);
const pictures = (n: number, edge: number): Tensor => ({
  name: "x",
  datatype: "FP32",
  shape: [n, 3, edge, edge],
  data: new Float32Array(0),
});
const asking = (inputs: readonly Tensor[], names: readonly string[], binary = false) => ({
  inputs,
  outputs: names.map((name) => ({ name, binary })),
});

describe("ResponseSizes", () => {
  it("refuses what cannot fit as JSON, and names the form in which it can", () => {
    const request = asking([pictures(32, 1_024)], ["mask"]);
    expect(() => sizes().check(request)).toThrow(/at least 167772160 bytes.*Ask for binary outputs/);
    expect(() => sizes().check({ ...request, outputs: [{ name: "mask", binary: true }] })).not.toThrow();
    expect(() => sizes().check(asking([pictures(8, 1_024)], ["mask"]))).not.toThrow();
  });

  it("asks for fewer rows where bytes would be too many as well", () => {
    expect(() => sizes().check(asking([pictures(64, 1_024)], ["depth"], true))).toThrow(
      /Ask for fewer rows or outputs/,
    );
  });

  it("says nothing of outputs whose size the inputs do not tell", () => {
    expect(() => sizes().check(asking([pictures(1_000, 1_024)], ["boxes"]))).not.toThrow();
  });

  it("refuses floats as JSON that are as many as were too many before, and not fewer", () => {
    const known = sizes();
    const tooMany = asking([pictures(16, 1_024)], ["depth"]);
    expect(() => known.check(tooMany)).not.toThrow();
    known.wasTooLarge(tooMany);
    expect(() => known.check(tooMany)).toThrow(/too many bytes.*Ask for binary outputs/);
    expect(() => known.check(asking([pictures(20, 1_024)], ["depth"]))).toThrow(/too many bytes/);
    expect(() => known.check(asking([pictures(15, 1_024)], ["depth"]))).not.toThrow();
    expect(() => known.check(asking([pictures(16, 1_024)], ["depth"], true))).not.toThrow();
  });
});
