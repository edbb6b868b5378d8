import { describe, expect, it } from "@jest/globals";
import { accuracyFault } from "../../../../../../control-plane/core/catalog/variants/accuracy-gate.ts";

const figures = { samples: 200, agreement: 0.98, maxDifference: 0.25 };

describe("the accuracy gate of a variant", () => {
  it("passes what is near enough", () => {
    expect(accuracyFault("int8", figures, { minAgreement: 0.98, maxDifference: 0.25 })).toBeUndefined();
    expect(accuracyFault("int8", { ...figures, agreement: null }, { minAgreement: 1, maxDifference: 1 })).toBe(
      undefined,
    );
  });

  it.each([
    [
      "that decides otherwise",
      figures,
      { minAgreement: 0.99 },
      "variant int8, on 200 samples: it decides as the reference in 98 % of them, and `accuracy.minAgreement` asks for 99 %; largest difference 0.25",
    ],
    [
      "whose numbers are too far off",
      figures,
      { minAgreement: 0.9, maxDifference: 0.2 },
      "variant int8, on 200 samples: largest difference 0.25, and `accuracy.maxDifference` allows 0.2; it decides as the reference in 98 % of them",
    ],
    [
      "without a decision or a bound",
      { ...figures, agreement: null },
      { minAgreement: 0.99 },
      "variant int8, on 200 samples: largest difference 0.25; no output holds a decision, so set `accuracy.maxDifference` in variants.yaml",
    ],
    [
      "that cannot be compared",
      { samples: 1, agreement: 0, maxDifference: null, fault: 'sample 0: output "y" is [3], and of the reference [2]' },
      { minAgreement: 0 },
      'variant int8, on 1 sample: sample 0: output "y" is [3], and of the reference [2]',
    ],
  ])("refuses one %s, with the figures", (_, found, accuracy, sentence) => {
    expect(accuracyFault("int8", found, accuracy)).toBe(sentence);
  });
});
