import { describe, expect, it } from "@jest/globals";
import { encoderMemMiB } from "../../../../shared/text/encoder-model.ts";

const MIB = 1_048_576;
/** all-MiniLM-L6-v2. */
const SMALL = { maxTokens: 256, heads: 12, width: 384 };

describe("encoderMemMiB", () => {
  it("has room for the files twice, the process, and a run", () => {
    expect(encoderMemMiB(SMALL, 23 * MIB)).toBe(448);
    expect(encoderMemMiB(SMALL, 123 * MIB) - encoderMemMiB(SMALL, 23 * MIB)).toBeGreaterThanOrEqual(192);
  });

  it("grows with the longest text, whose attention is the square of it", () => {
    const long = encoderMemMiB({ ...SMALL, maxTokens: 8_192 }, 23 * MIB);
    expect(long).toBeGreaterThan((2 * 12 * 8_192 * 8_192 * 4) / MIB);
  });

  it("takes usual sizes where no description says them", () => {
    expect(encoderMemMiB({ maxTokens: 512 }, MIB)).toBeGreaterThan(encoderMemMiB({ ...SMALL, maxTokens: 512 }, MIB));
  });
});
