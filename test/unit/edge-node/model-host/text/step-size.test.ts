import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { StepSize } from "../../../../../edge-node/model-host/text/step-size.ts";
import { STEP_TOKENS } from "../../../../../shared/text/text-model.ts";

/** The last of many steps on a machine that computes so many tokens of a prompt in a second. */
function stepAt(tokensPerSecond: number): number {
  const size = new StepSize();
  for (let step = 0; step < 20; step += 1) size.took(size.tokens, (size.tokens / tokensPerSecond) * 1_000);
  return size.tokens;
}

describe("StepSize", () => {
  it.each([
    [2_000, STEP_TOKENS],
    [400, 96],
    [100, 24],
    [3, 8],
  ])("takes into a step what a machine of %d tokens/s computes in a quarter of a second", (tokensPerSecond, tokens) => {
    expect(stepAt(tokensPerSecond)).toBe(tokens);
  });

  it("stays within its bounds, and changes by no more than the factor two, whatever the steps take", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true })), (times) => {
        const size = new StepSize();
        for (const ms of times) {
          const before = size.tokens;
          size.took(before, ms);
          expect(size.tokens).toBeGreaterThanOrEqual(Math.max(8, before / 2));
          expect(size.tokens).toBeLessThanOrEqual(Math.min(STEP_TOKENS, 2 * before));
          expect(Number.isInteger(size.tokens)).toBe(true);
        }
      }),
    );
  });
});
