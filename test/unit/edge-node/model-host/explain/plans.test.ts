import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { integratedGradients } from "../../../../../edge-node/model-host/explain/integrated-gradients.ts";
import { occlusion } from "../../../../../edge-node/model-host/explain/occlusion.ts";
import type { ExplanationPlan } from "../../../../../edge-node/model-host/explain/plan.ts";
import { shapley } from "../../../../../edge-node/model-host/explain/shapley.ts";

type Score = (row: Float64Array) => number;

/** What the plan says of a model whose scores are `score`. */
function influences(plan: ExplanationPlan, row: Float64Array, score: Score): readonly number[] {
  const scores = Float64Array.from({ length: plan.evaluations }, (_, i) => {
    const variant = row.slice();
    plan.write(i, variant);
    return score(variant);
  });
  return [...plan.attribute(scores)];
}

const NONE = { samples: undefined, window: undefined, seed: 7 };
const plansOf = (row: Float64Array, baseline: readonly number[]): Readonly<Record<string, ExplanationPlan>> => ({
  occlusion: occlusion(row, { ...NONE, baseline, shape: [row.length] }),
  "integrated gradients": integratedGradients(row, { ...NONE, baseline }),
  "shapley values": shapley(row, { ...NONE, baseline }),
});
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const number = fc.integer({ min: -8, max: 8 }).map((value) => value / 4);

describe("explanations of a row", () => {
  it("say what they cost before anything of that size is made", () => {
    const row = new Float64Array(4_000_000).fill(1);
    const { evaluations } = shapley(row, { ...NONE, samples: 1_024, baseline: [] });
    expect(evaluations).toBe(1_024 * 4_000_001);
  });

  it.each(["occlusion", "integrated gradients", "shapley values"])("give a linear score's terms by %s", (method) => {
    const features = fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(features, number, (pairs, absent) => {
        const row = Float64Array.from(pairs, ([value]) => value);
        const score: Score = (values) => sum(pairs.map(([, weight], i) => weight * (values[i] ?? 0)));
        const plan = plansOf(row, [absent])[method];
        const found = plan && influences(plan, row, score);
        pairs.forEach(([value, weight], i) => expect(found?.[i]).toBeCloseTo(weight * (value - absent), 5));
      }),
    );
  });

  it.each(["integrated gradients", "shapley values"])(
    "add up to what the row scores above the baseline by %s",
    (method) => {
      const row = Float64Array.of(1, -2, 0.5, 3);
      const score: Score = ([a = 0, b = 0, c = 0, d = 0]) => Math.tanh(a * b) + a * c * d - b * b;
      const baseline = [0.5, 0, 0, 1];
      const plan = plansOf(row, baseline)[method];
      const found = plan ? influences(plan, row, score) : [];
      const above = score(row) - score(Float64Array.from(baseline));
      expect(Math.abs(sum(found) - above)).toBeLessThan(method === "shapley values" ? 1e-6 : 0.02);
    },
  );

  it("share a product equally among its factors by shapley values", () => {
    const row = Float64Array.of(2, 3, 9);
    const found = influences(shapley(row, { ...NONE, baseline: [0] }), row, ([a = 0, b = 0]) => a * b);
    expect(found).toEqual([3, 3, 0]);
  });

  it("are the same by the same seed, and draw other orders by another", () => {
    const row = Float64Array.of(1, 2, 3, 4, 5);
    const score: Score = ([a = 0, b = 0, c = 0, d = 0, e = 0]) => Math.max(a * b, c - d) * e;
    const by = (seed: number): readonly number[] =>
      influences(shapley(row, { baseline: [0], seed, samples: 3 }), row, score);
    expect([by(1), by(1)]).toEqual([by(1), by(1)]);
    expect(by(1)).not.toEqual(by(2));
  });

  it("cost nothing and say nothing of elements that are as if absent", () => {
    const row = Float64Array.of(0, 5, 0);
    const gradients = integratedGradients(row, { ...NONE, baseline: [0] });
    const values = shapley(row, { ...NONE, baseline: [0] });
    expect([gradients.evaluations, values.evaluations]).toEqual([2 * 8, 32 * 2]);
    expect(influences(gradients, row, sumOf)).toEqual([0, 5, 0]);
    const blank = Float64Array.of(0, 0);
    expect(influences(shapley(blank, { ...NONE, baseline: [0] }), blank, sumOf)).toEqual([0, 0]);
  });
});

const sumOf: Score = (values) => sum([...values]);

describe("occlusion of a picture", () => {
  it("covers each element at least once, whatever its sides and the window", () => {
    const side = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 6 }), (height, width, window) => {
        const row = new Float64Array(height * width).fill(1);
        const covered = new Set<number>();
        const plan = occlusion(row, { baseline: [0], shape: [1, height, width], window });
        for (let i = 1; i < plan.evaluations; i += 1) {
          const variant = row.slice();
          plan.write(i, variant);
          variant.forEach((value, at) => value === 0 && covered.add(at));
        }
        expect(covered.size).toBe(row.length);
      }),
    );
  });

  it("covers all channels of a place, wherever they lie", () => {
    for (const shape of [
      [3, 6, 6],
      [6, 6, 3],
    ]) {
      const row = new Float64Array(108).fill(1);
      const plan = occlusion(row, { baseline: [0], shape, window: 2 });
      const variant = row.slice();
      plan.write(1, variant);
      expect(sum([...variant])).toBe(108 - 2 * 2 * 3);
    }
  });

  it("says of a place how much the score falls without it", () => {
    const row = new Float64Array(36).fill(1);
    const plan = occlusion(row, { baseline: [0], shape: [1, 6, 6], window: 1 });
    const found = influences(plan, row, (values) => 4 * (values[7] ?? 0) + (values[20] ?? 0));
    expect(found.flatMap((value, at) => (value === 0 ? [] : [[at, value]]))).toEqual([
      [7, 4],
      [20, 1],
    ]);
  });

  it("takes 170 evaluations for a picture of 28 × 28", () => {
    const plan = occlusion(new Float64Array(784), { baseline: [0], shape: [1, 28, 28], window: undefined });
    expect(plan.evaluations).toBe(170);
  });
});
