import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { defaultCapacity, textCapacity, textMemMiB, type TextModel } from "../../../../shared/text/text-model.ts";

/** SmolLM2-135M-Instruct, 4 bit. */
const SMALL: TextModel = {
  architecture: "llama",
  parameters: 134_515_008,
  quantization: "Q4_1",
  contextTokens: 8_192,
  vocabulary: 49_152,
  cacheBytesPerToken: 23_040,
  hasChatTemplate: true,
};
const BYTES = 98_362_432;

describe("textCapacity", () => {
  it.each([
    [0, { sequences: 4, contextTokens: 4_096 }],
    [256, undefined],
    [400, { sequences: 1, contextTokens: 768 }],
    [512, { sequences: 2, contextTokens: 2_816 }],
    [768, { sequences: 4, contextTokens: 4_352 }],
    [2_048, { sequences: 4, contextTokens: 8_192 }],
  ])("gives a limit of %i MiB as many requests and as much context as fit", (memMiB, capacity) => {
    expect(textCapacity(SMALL, BYTES, memMiB)).toEqual(capacity);
  });

  it("gives a decoder in ONNX eight requests at once before longer ones", () => {
    const decoder = { inputs: [], layers: 30, heads: 3, headSize: 64, cacheType: "FP32", ends: [2] } as const;
    const described = { ...decoder, inputs: [], ends: [2], tokenizer: "tokenizer.json", longestTokenBytes: 400 };
    const graph: TextModel = { ...SMALL, cacheBytesPerToken: 46_080, decoder: described };
    const capacityOf = (memMiB: number) => textCapacity(graph, BYTES, memMiB);
    expect(capacityOf(0)).toEqual({ sequences: 4, contextTokens: 4_096 });
    expect(capacityOf(1_536)).toEqual({ sequences: 4, contextTokens: 5_888 });
    expect(capacityOf(2_048)).toEqual({ sequences: 8, contextTokens: 4_352 });
    expect(capacityOf(8_192)).toEqual({ sequences: 8, contextTokens: 8_192 });
  });

  it("has room for the default capacity in the memory that is asked for it", () => {
    const model = fc.record({
      contextTokens: fc.integer({ min: 1, max: 200_000 }),
      cacheBytesPerToken: fc.integer({ min: 0, max: 1_000_000 }),
      vocabulary: fc.integer({ min: 1, max: 300_000 }),
    });
    fc.assert(
      fc.property(model, fc.integer({ min: 1, max: 3 * 2 ** 30 }), (figures, bytes) => {
        const of = { ...SMALL, ...figures };
        const { sequences, contextTokens } = defaultCapacity(of);
        const capacity = textCapacity(of, bytes, textMemMiB(of, bytes));
        expect(capacity?.sequences).toBe(sequences);
        expect(capacity?.contextTokens).toBeGreaterThanOrEqual(contextTokens);
        expect(capacity?.contextTokens).toBeLessThanOrEqual(of.contextTokens);
      }),
    );
  });
});
