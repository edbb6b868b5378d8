import { describe, expect, it } from "@jest/globals";
import { whyIncompatible } from "../../../../edge-node/core/compatibility.ts";

const node = { runtime: "onnxruntime 1.30.0", maxOpset: 26, maxIrVersion: 13 };
const model = { model: "digits", version: "3", opsets: { "": 26 }, irVersion: 13 };

describe("whyIncompatible", () => {
  it("refuses nothing that the runtime runs", () => {
    expect(whyIncompatible(model, node)).toBeUndefined();
    expect(whyIncompatible({ ...model, opsets: { "com.microsoft": 99 } }, node)).toBeUndefined();
  });

  it("names the model, what it needs and what the runtime has", () => {
    expect(whyIncompatible({ ...model, opsets: { "": 27 } }, node)).toBe(
      "digits:3 needs opset 27; onnxruntime 1.30.0 runs up to 26",
    );
    expect(whyIncompatible({ ...model, opsets: { "ai.onnx": 27 } }, node)).toContain("opset 27");
    expect(whyIncompatible({ ...model, irVersion: 14 }, node)).toContain("ONNX IR 14");
  });

  it("refuses a model of an engine where there is none, and leaves to the engine which models it has", () => {
    const qwen = {
      model: "qwen",
      version: "1",
      opsets: {},
      irVersion: 0,
      engine: { model: "q", kind: "text" },
    } as const;
    expect(whyIncompatible(qwen, node)).toBe("qwen:1 is executed by an engine, and this node has none");
    expect(whyIncompatible(qwen, { ...node, engines: [{ api: "openai", models: [] }] })).toBeUndefined();
  });
});
