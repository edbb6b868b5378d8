import { describe, expect, it } from "@jest/globals";
import { STEP_KINDS } from "../../../../shared/pipeline/registry.ts";
import { readDocument } from "../../../../shared/pipeline/document.ts";
import { planPipeline } from "../../../../shared/pipeline/planner.ts";
import { runSteps, buildSteps, tensorAt, type Values } from "../../../../shared/pipeline/runner.ts";
import type { Tools } from "../../../../shared/pipeline/step.ts";

const CLS = 101;
const SEP = 102;
const unused = (): never => {
  throw new Error("no library is needed here");
};
/** A token for each word, by its length. */
const TOOLS: Tools = {
  decodeJpeg: unused,
  decodePng: unused,
  parseCsv: unused,
  realFft: unused,
  openTokenizer: () => ({
    tokensOf: (text) => [CLS, ...(text === "" ? [] : text.split(" ").map((word) => word.length)), SEP],
  }),
};

function tokensOf(params: object, ...texts: readonly (string | Uint8Array)[]): Readonly<Record<string, unknown>> {
  const step = STEP_KINDS.get("tokenise")?.with(params);
  const elements = texts.map((text) => (typeof text === "string" ? new TextEncoder().encode(text) : text));
  const made = step?.build({ kind: "bytes" }, TOOLS)({ kind: "bytes", elements });
  if (made?.kind !== "tensors") throw new Error("tensors are needed");
  return Object.fromEntries(
    [...made.tensors].map(([name, { shape, data }]) => [name, { shape, data: Array.from(data, Number) }]),
  );
}

describe("texts of a pipeline", () => {
  it("become numbers of tokens, filled up to the longest", () => {
    expect(tokensOf({ maxTokens: 8, padId: 7 }, "one three", "four")).toEqual({
      input_ids: { shape: [2, 4], data: [CLS, 3, 5, SEP, CLS, 4, SEP, 7] },
      attention_mask: { shape: [2, 4], data: [1, 1, 1, 1, 1, 1, 1, 0] },
      token_type_ids: { shape: [2, 4], data: Array<number>(8).fill(0) },
    });
  });

  it("lose their end, and keep the tokens around them, where the step says so", () => {
    expect(tokensOf({ maxTokens: 4, longer: "cut", fill: "maxTokens" }, "a bb ccc")).toMatchObject({
      input_ids: { shape: [1, 4], data: [CLS, 1, 2, SEP] },
    });
    expect(() => tokensOf({ maxTokens: 4 }, "a bb ccc")).toThrow("element 0 has 5 tokens; maxTokens is 4");
    expect(() => tokensOf({ maxTokens: 1 }, "a")).toThrow("so many are put around every text already");
  });

  it("are refused above their size, and where they are no UTF-8", () => {
    expect(() => tokensOf({ maxTokens: 8, maxBytes: 3 }, "four")).toThrow("element 0 has 4 bytes; maxBytes is 3");
    expect(() => tokensOf({ maxTokens: 8 }, "one", Uint8Array.of(0xff))).toThrow("element 1 is not UTF-8");
  });

  it("reach the inputs of a graph by the names of their tensors", () => {
    const document = readDocument({
      pipeline: 1,
      inputs: [{ name: "text" }],
      steps: [{ tokenise: { file: "words/tokenizer.json", maxTokens: 8 } }, { model: { file: "m.onnx" } }],
    });
    const inputs = ["attention_mask", "input_ids"].map((name) => ({ name, datatype: "INT64", shape: [-1, -1] }));
    const outputs = [{ name: "scores", datatype: "FP32", shape: [-1, 2] }];
    const plan = planPipeline(document, new Map([["m.onnx", { inputs, outputs }]]));
    const values: Values = new Map([[0, { kind: "bytes", elements: [new TextEncoder().encode("one")] }]]);
    runSteps(buildSteps(plan.pre, TOOLS), values);
    const given = plan.graphInputs.map(({ spec, value }) => [
      spec.name,
      Array.from(tensorAt(values, value).data, Number),
    ]);
    expect(given).toEqual([
      ["attention_mask", [1, 1, 1]],
      ["input_ids", [CLS, 3, SEP]],
    ]);
  });

  it("have a file of the bundle that is called tokenizer.json", () => {
    const step = (file: string): unknown => STEP_KINDS.get("tokenise")?.params.parse({ file, maxTokens: 8 });
    expect(step("words/tokenizer.json")).toMatchObject({ file: "words/tokenizer.json" });
    expect(() => step("words/vocabulary.json")).toThrow("the file is called tokenizer.json");
    expect(() => step("../tokenizer.json")).toThrow("the path leaves the bundle");
  });
});
