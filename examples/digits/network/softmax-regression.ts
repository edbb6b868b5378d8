import { Dense } from "./dense.ts";
import type { Network, Parameter } from "./network.ts";
import { crossEntropy, scoreGradient, softmaxInPlace } from "./softmax.ts";

/**
 * Softmax regression: one dense layer and softmax. Its loss is convex, so it starts from zeros and needs
 * no chance to begin.
 */
export class SoftmaxRegression implements Network {
  readonly parameters: readonly Parameter[];
  readonly #dense: Dense;
  readonly #probabilities: Float64Array;
  readonly #scoreGradient: Float64Array;

  constructor(pixels: number, classes: number) {
    this.#dense = new Dense(pixels, classes);
    this.parameters = [this.#dense.weights, this.#dense.bias];
    this.#probabilities = new Float64Array(classes);
    this.#scoreGradient = new Float64Array(classes);
  }

  forward(image: Float32Array): Float64Array {
    this.#dense.forward(image, this.#probabilities);
    softmaxInPlace(this.#probabilities);
    return this.#probabilities;
  }

  learn(image: Float32Array, label: number): number {
    const probabilities = this.forward(image);
    scoreGradient(probabilities, label, this.#scoreGradient);
    this.#dense.addGradient(image, this.#scoreGradient);
    return crossEntropy(probabilities, label);
  }
}
