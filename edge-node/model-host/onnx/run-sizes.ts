import { messageOf, SkerryError } from "../../../shared/base/errors.ts";
import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { isBeyond, isWithin, type RunSize, sizeOf, withLargest } from "../../../shared/inference/run-size.ts";
import { isOutOfMemory } from "../out-of-memory.ts";
import type { LoadedModel } from "./model.ts";

/** Sizes that ran and are within no other. Of one that was dropped its next run is announced again. */
const MAX_SIZES = 32;

/** A run that is larger than one that ended an earlier host for its memory. */
export interface RefusedBeforeRun extends SkerryError {
  readonly isBeforeRun: true;
}

export const isRefusedBeforeRun = (error: unknown): error is RefusedBeforeRun =>
  error instanceof Error && "isBeforeRun" in error;

/**
 * Knows which sizes of runs are safe and which are too large. A run that is larger than all before it is announced, and so is
 * its end: when the process is killed in between, the agent knows which size was too much and gives it to the next host.
 */
export class RunSizes {
  readonly #announce: (size: RunSize | undefined) => void;
  #ran: readonly RunSize[] = [];
  #tooLarge: readonly RunSize[];

  /** `announce`: with a size before such a run, without one after it. */
  constructor(options: {
    readonly tooLarge: readonly RunSize[];
    readonly announce: (size: RunSize | undefined) => void;
  }) {
    this.#tooLarge = options.tooLarge;
    this.#announce = options.announce;
  }

  /** The memory limit is another one. */
  forget(): void {
    this.#tooLarge = [];
  }

  /** `model` within these sizes: a run that is known as too large throws `RefusedBeforeRun`. */
  guard<Model extends LoadedModel>(model: Model): Model {
    return { ...model, run: (inputs, outputs) => this.#run(model, inputs, outputs) };
  }

  async #run(model: LoadedModel, inputs: readonly Tensor[], outputs: readonly string[]): Promise<readonly Tensor[]> {
    if (this.#ran.some((size) => isWithin(inputs, outputs, size))) return model.run(inputs, outputs);
    if (this.#tooLarge.some((size) => isBeyond(inputs, outputs, size)))
      throw Object.assign(new SkerryError("OUT_OF_MEMORY", "a run of this size needed more memory before"), {
        isBeforeRun: true as const,
      });
    const size = sizeOf(inputs, outputs);
    if (size === undefined) return model.run(inputs, outputs);
    this.#announce(size);
    try {
      const answers = await model.run(inputs, outputs);
      this.#ran = withLargest(this.#ran, size, MAX_SIZES);
      this.#announce(undefined);
      return answers;
    } catch (error) {
      if (!isOutOfMemory(messageOf(error))) this.#announce(undefined);
      throw error;
    }
  }
}
