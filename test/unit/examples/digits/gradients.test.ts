import { describe, expect, it } from "@jest/globals";
import { ConvNet } from "../../../../examples/digits/network/conv-net.ts";
import type { Network, Parameter } from "../../../../examples/digits/network/network.ts";
import { SeededRandom } from "../../../../examples/digits/random.ts";
import { crossEntropy } from "../../../../examples/digits/network/softmax.ts";

interface Example {
  readonly image: Float32Array;
  readonly label: number;
}

const STEP = 1e-4;

describe("the gradient of the convolutional network", () => {
  const random = new SeededRandom(12);
  const network = new ConvNet({ side: 6, channels: 3, classes: 4 }, random);
  for (const { values } of network.parameters) random.fillUniform(values, 0.7);
  const examples = makeExamples(random, { pixels: 36, classes: 4 });

  it("equals finite differences for every parameter", () => {
    expect(worstGradientError(network, examples)).toBeLessThan(1e-6);
  });

  it("is not zero in any parameter, so that the comparison means something", () => {
    learnAll(network, examples);
    expect(network.parameters.map(({ name, gradient }) => [name, gradient.some((g) => g !== 0)])).toEqual([
      ["conv_weights", true],
      ["conv_bias", true],
      ["dense_weights", true],
      ["dense_bias", true],
    ]);
  });
});

/** Like digits, half of an image is exactly zero: the layers skip zeros, and that path must be right too. */
function makeExamples(random: SeededRandom, size: { pixels: number; classes: number }): Example[] {
  return Array.from({ length: 3 }, (_, label) => ({
    image: Float32Array.from({ length: size.pixels }, () => Math.max(0, 2 * random.next() - 1)),
    label: label % size.classes,
  }));
}

function worstGradientError(network: Network, examples: readonly Example[]): number {
  learnAll(network, examples);
  const errors = network.parameters.flatMap((parameter) =>
    Array.from(parameter.gradient, (gradient, i) => {
      const estimate = finiteDifference(network, examples, { parameter, i });
      return Math.abs(gradient - estimate) / Math.max(1, Math.abs(estimate));
    }),
  );
  return Math.max(...errors);
}

function learnAll(network: Network, examples: readonly Example[]): void {
  for (const { gradient } of network.parameters) gradient.fill(0);
  for (const { image, label } of examples) network.learn(image, label);
}

function finiteDifference(
  network: Network,
  examples: readonly Example[],
  at: { parameter: Parameter; i: number },
): number {
  const { values } = at.parameter;
  const value = values[at.i] ?? NaN;
  const measure = (moved: number) => {
    values[at.i] = moved;
    const kept = values[at.i] ?? NaN; // rounded to single precision: the step taken, not the step asked for
    const loss = examples.reduce((sum, { image, label }) => sum + crossEntropy(network.forward(image), label), 0);
    return { kept, loss };
  };
  const above = measure(value + STEP);
  const below = measure(value - STEP);
  values[at.i] = value;
  return (above.loss - below.loss) / (above.kept - below.kept);
}
