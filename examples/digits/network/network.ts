/** A tensor that training moves. */
export interface Parameter {
  readonly name: string;
  /** Row-major, as ONNX stores it. */
  readonly shape: readonly number[];
  /** Single precision, so that what is exported is what was trained. */
  readonly values: Float32Array;
  /**
   * Sum over the digits learned since it was last cleared. Double precision: gradients are checked
   * against finite differences, and single precision would drown those in rounding.
   */
  readonly gradient: Float64Array;
}

/** What training, evaluation and gradient checks need from a model. */
export interface Network {
  readonly parameters: readonly Parameter[];

  /**
   * Class probabilities of one image.
   *
   * @param image [pixels], 0–1
   * @returns [classes]; owned by the network and overwritten by the next call
   */
  forward(image: Float32Array): Float64Array;

  /**
   * Runs one image and adds its gradient to every parameter.
   *
   * @returns the loss before the step, cross-entropy in nats
   */
  learn(image: Float32Array, label: number): number;
}

/** A parameter of zeros with a cleared gradient. */
export function createParameter(name: string, shape: readonly number[]): Parameter {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { name, shape, values: new Float32Array(size), gradient: new Float64Array(size) };
}

/** Index of the largest probability; the lowest index wins a tie. */
export function mostLikely(probabilities: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < probabilities.length; i += 1) {
    if (probabilities[i]! > probabilities[best]!) best = i;
  }
  return best;
}
