import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { chooseThreshold, type JudgedRow } from "../../../../cli/cascade/choose-threshold.ts";

/** The small model is right where it is sure, the large one always. */
const rows: readonly JudgedRow[] = Array.from({ length: 1_000 }, (_, i) => ({
  value: i / 1_000,
  isSmallRight: i >= 200,
  isLargeRight: true,
}));

describe("the threshold of a cascade", () => {
  it("asks the large model of the rows in doubt and of no others", () => {
    const { threshold, chosen, heldOut } = chooseThreshold(rows, { measure: "confidence", tolerance: 0 });
    expect(threshold).toBeGreaterThan(0.19);
    expect(threshold).toBeLessThan(0.21);
    expect(chosen).toMatchObject({ rows: 500, right: 1, rightOfLarge: 1 });
    expect(chosen.escalated).toBeCloseTo(1 - chosen.rightOfSmall, 2);
    expect(heldOut.rows).toBe(500);
    expect(heldOut.right).toBeGreaterThan(0.99);
  });

  it("asks less where less accuracy will do, and nothing where the small model is good enough", () => {
    const escalated = (tolerance: number): number =>
      chooseThreshold(rows, { measure: "margin", tolerance }).chosen.escalated;
    expect(escalated(0.05)).toBeLessThan(escalated(0) - 0.04);
    expect(escalated(0.3)).toBe(0);
  });

  it("is turned round for measures that grow with doubt", () => {
    const turned = rows.map((row) => ({ ...row, value: -row.value }));
    const { threshold, chosen } = chooseThreshold(turned, { measure: "entropy", tolerance: 0 });
    expect(chosen).toEqual(chooseThreshold(rows, { measure: "margin", tolerance: 0 }).chosen);
    expect(threshold).toBeLessThan(0);
  });

  it("keeps what it promises of the rows by which it was chosen, whatever they are", () => {
    const row = fc.record({
      value: fc.integer({ min: 0, max: 9 }),
      isSmallRight: fc.boolean(),
      isLargeRight: fc.boolean(),
    });
    const tolerances = fc.constantFrom(0, 0.05, 0.2);
    fc.assert(
      fc.property(fc.array(row, { minLength: 2, maxLength: 60 }), tolerances, (any, tolerance) => {
        const { chosen } = chooseThreshold(any, { measure: "confidence", tolerance });
        expect(chosen.right).toBeGreaterThanOrEqual(chosen.rightOfLarge - tolerance - 1e-9);
      }),
    );
  });
});
