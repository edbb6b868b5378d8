import type { Digit } from "./digit.ts";
import { mostLikely, type Network, type Parameter } from "./network/network.ts";
import type { SeededRandom } from "./random.ts";
import { shiftImage } from "./shift.ts";

/** How a network is trained. All of it is fixed beforehand: held-out digits never stop or steer training. */
export interface Recipe {
  readonly epochs: number;
  readonly batchSize: number;
  /** At the first step; falls in a straight line to 0 at the last one. */
  readonly learningRate: number;
  /** Part of the last step that is repeated, 0–1. */
  readonly momentum: number;
  /** Pull of every parameter towards 0, per step, as a part of the learning rate. */
  readonly weightDecay: number;
  /** Each time a digit is seen it moves by up to this many pixels each way. 0 leaves it where it is. */
  readonly maxShift: number;
}

/** Where training stands after a batch. */
export interface FitProgress {
  /** Counted from 1. */
  readonly epoch: number;
  /** Digits seen in this epoch. */
  readonly seen: number;
  readonly isEpochEnd: boolean;
  /** Mean cross-entropy over the digits seen in this epoch, in nats. */
  readonly meanLoss: number;
}

/**
 * Mini-batch gradient descent with momentum. Yields after each batch, so that the caller can draw
 * progress and measure between epochs; nothing happens until it asks for more.
 */
export function* fit(
  task: { readonly network: Network; readonly digits: readonly Digit[]; readonly recipe: Recipe },
  random: SeededRandom,
): Generator<FitProgress> {
  const { network, digits, recipe } = task;
  const velocities = network.parameters.map(({ values }) => new Float32Array(values.length));
  const totalSteps = recipe.epochs * Math.ceil(digits.length / recipe.batchSize);
  let step = 0;
  for (let epoch = 1; epoch <= recipe.epochs; epoch += 1) {
    const order = random.shuffled(digits);
    let lossSum = 0;
    for (let start = 0; start < order.length; start += recipe.batchSize) {
      const batch = order.slice(start, start + recipe.batchSize);
      for (const digit of batch) {
        lossSum += network.learn(moved(digit.pixels, recipe.maxShift, random), digit.label);
      }
      const rate = recipe.learningRate * (1 - step / totalSteps);
      network.parameters.forEach((parameter, i) => {
        applyStep(parameter, velocities[i]!, { recipe, rate, batchSize: batch.length });
      });
      step += 1;
      const seen = start + batch.length;
      yield { epoch, seen, isEpochEnd: seen === order.length, meanLoss: lossSum / seen };
    }
  }
}

/** Part of the digits whose most likely class is their label, 0–1. */
export function accuracyOf(network: Network, digits: readonly Digit[]): number {
  return countRight(network, digits) / digits.length;
}

/** How many digits the network names rightly. */
export function countRight(network: Network, digits: readonly Digit[]): number {
  return digits.filter(({ pixels, label }) => mostLikely(network.forward(pixels)) === label).length;
}

function moved(pixels: Float32Array, maxShift: number, random: SeededRandom): Float32Array {
  if (maxShift === 0) return pixels;
  const right = random.below(2 * maxShift + 1) - maxShift;
  const down = random.below(2 * maxShift + 1) - maxShift;
  const target = new Float32Array(pixels.length);
  shiftImage(pixels, { right, down }, target);
  return target;
}

function applyStep(
  parameter: Parameter,
  velocity: Float32Array,
  step: { readonly recipe: Recipe; readonly rate: number; readonly batchSize: number },
): void {
  const { values, gradient } = parameter;
  const { momentum, weightDecay } = step.recipe;
  const scale = 1 / step.batchSize;
  for (let i = 0; i < values.length; i += 1) {
    const slope = gradient[i]! * scale + weightDecay * values[i]!;
    velocity[i] = momentum * velocity[i]! - step.rate * slope;
    values[i]! += velocity[i]!;
  }
  gradient.fill(0);
}
