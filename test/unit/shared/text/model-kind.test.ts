import { describe, expect, it } from "@jest/globals";
import { kindOf, wrongKind } from "../../../../shared/text/model-kind.ts";

describe("the kind of a model", () => {
  it("follows from what its check found", () => {
    expect([kindOf({}), kindOf({ text: {} }), kindOf({ encoder: {} })]).toEqual(["tensors", "text", "embeddings"]);
  });

  it.each([
    ["text", "tensors", "m writes text and takes no tensors: ask /v1/chat/completions or /v1/completions"],
    ["text", "embeddings", "m writes text and makes no embeddings: ask /v1/chat/completions or /v1/completions"],
    ["embeddings", "text", "m makes embeddings and writes no text: ask /v1/embeddings"],
    ["embeddings", "tensors", "m makes embeddings and takes no tensors: ask /v1/embeddings"],
    ["tensors", "embeddings", "m takes tensors and makes no embeddings: ask /v2/models/m/infer"],
    ["tensors", "text", "m takes tensors and writes no text: ask /v2/models/m/infer"],
  ] as const)("says where to ask a model of %s that was asked for %s", (kind, asked, sentence) => {
    expect(wrongKind("m", kind, asked)).toBe(sentence);
  });
});
