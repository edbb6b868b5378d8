import { ReluConvolution } from "./convolution.ts";
import { Dense } from "./dense.ts";
import type { Network, Parameter } from "./network.ts";
import type { SeededRandom } from "../random.ts";
import { crossEntropy, scoreGradient, softmaxInPlace } from "./softmax.ts";

export interface ConvNetShape {
  /** Height and width of the image, in pixels. */
  readonly side: number;
  readonly channels: number;
  readonly classes: number;
}

/** Convolutional network: 3 × 3 convolution, ReLU, flatten, dense, softmax. */
export class ConvNet implements Network {
  readonly parameters: readonly Parameter[];
  readonly #convolution: ReluConvolution;
  readonly #dense: Dense;
  readonly #maps: Float64Array;
  readonly #mapGradient: Float64Array;
  readonly #probabilities: Float64Array;
  readonly #scoreGradient: Float64Array;

  constructor(shape: ConvNetShape, random: SeededRandom) {
    const features = shape.channels * (shape.side - 2) ** 2;
    this.#convolution = new ReluConvolution(shape.side, shape.channels);
    this.#dense = new Dense(features, shape.classes);
    // He's bound before a ReLU, Glorot's before softmax: signals keep their size on the way through.
    random.fillUniform(this.#convolution.weights.values, Math.sqrt(6 / 9));
    random.fillUniform(this.#dense.weights.values, Math.sqrt(6 / (features + shape.classes)));
    this.parameters = [this.#convolution.weights, this.#convolution.bias, this.#dense.weights, this.#dense.bias];
    this.#maps = new Float64Array(features);
    this.#mapGradient = new Float64Array(features);
    this.#probabilities = new Float64Array(shape.classes);
    this.#scoreGradient = new Float64Array(shape.classes);
  }

  forward(image: Float32Array): Float64Array {
    this.#convolution.forward(image, this.#maps);
    this.#dense.forward(this.#maps, this.#probabilities);
    softmaxInPlace(this.#probabilities);
    return this.#probabilities;
  }

  learn(image: Float32Array, label: number): number {
    const probabilities = this.forward(image);
    scoreGradient(probabilities, label, this.#scoreGradient);
    this.#dense.addGradient(this.#maps, this.#scoreGradient);
    this.#dense.inputGradient(this.#maps, this.#scoreGradient, this.#mapGradient);
    this.#convolution.addGradient(image, this.#maps, this.#mapGradient);
    return crossEntropy(probabilities, label);
  }
}
