import { describe, expect, it } from "@jest/globals";
import { ConvNet } from "../../../../examples/digits/network/conv-net.ts";
import type { Digit } from "../../../../examples/digits/digit.ts";
import { accuracyOf, fit, type FitProgress, type Recipe } from "../../../../examples/digits/fit.ts";
import { SeededRandom } from "../../../../examples/digits/random.ts";
import { readDigitSamples } from "../../../../examples/digits/samples.ts";

const DIGITS: readonly Digit[] = readDigitSamples().map((sample, index) => ({ ...sample, index }));

const RECIPE: Recipe = {
  epochs: 8,
  batchSize: 8,
  learningRate: 0.03,
  momentum: 0.9,
  weightDecay: 0.0001,
  maxShift: 0,
};

function train(seed: number, changes: Partial<Recipe> = {}) {
  const random = new SeededRandom(seed);
  const network = new ConvNet({ side: 28, channels: 2, classes: 10 }, random);
  const recipe = { ...RECIPE, ...changes };
  const reports: FitProgress[] = [...fit({ network, digits: DIGITS, recipe }, random)];
  return { network, reports };
}

function weightsOf(run: ReturnType<typeof train>): Uint8Array[] {
  return run.network.parameters.map(({ values }) => new Uint8Array(values.slice().buffer));
}

describe("fit", () => {
  it("reports every batch and the end of every epoch", () => {
    const { reports } = train(3, { epochs: 2 });
    expect(reports.map(({ epoch, seen, isEpochEnd }) => [epoch, seen, isEpochEnd])).toEqual([
      [1, 8, false],
      [1, 16, false],
      [1, 24, false],
      [1, 30, true],
      [2, 8, false],
      [2, 16, false],
      [2, 24, false],
      [2, 30, true],
    ]);
  });

  it("learns the digits it is shown by heart", () => {
    const { network, reports } = train(3);
    const losses = reports.filter(({ isEpochEnd }) => isEpochEnd).map(({ meanLoss }) => meanLoss);
    expect(losses[7]).toBeLessThan((losses[0] ?? NaN) / 4);
    expect(accuracyOf(network, DIGITS)).toBe(1);
  });

  it("ends in the same bytes for the same seed", () => {
    expect(weightsOf(train(3, { maxShift: 2 }))).toEqual(weightsOf(train(3, { maxShift: 2 })));
  });

  it("ends in other bytes for another seed", () => {
    expect(weightsOf(train(3))).not.toEqual(weightsOf(train(4)));
  });
});
