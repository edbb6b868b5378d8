import { closeSync, openSync, readSync } from "node:fs";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";

/** What onnxruntime-node writes in place of bytes that are not UTF-8. */
const REPLACEMENT = "\uFFFD";
const REPLACEMENT_BYTES = Buffer.from(REPLACEMENT);
const PIECE_BYTES = 1024 ** 2;

/**
 * Recognises output strings that the runtime has changed because they were not UTF-8. U+FFFD is right when it came with
 * the request or when the model's file holds it; the file is searched once, for the first output that needs it.
 */
export class OutputText {
  readonly #file: string;
  #isInFile: boolean | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Throws `SkerryError` RUN_FAILED naming the output and the element. */
  check(outputs: readonly Tensor[], inputs: readonly Tensor[]): void {
    for (const { name, data } of outputs) {
      if (!Array.isArray(data)) continue;
      const at = data.findIndex((text) => text.includes(REPLACEMENT));
      if (at === -1 || isIn(inputs) || (this.#isInFile ??= holdsReplacement(this.#file))) continue;
      throw new SkerryError(
        "RUN_FAILED",
        `element ${at} of output "${name}" is not UTF-8, and the runtime can pass on only UTF-8; publish the model with its labels in UTF-8`,
      );
    }
  }
}

const isIn = (inputs: readonly Tensor[]): boolean =>
  inputs.some(({ data }) => Array.isArray(data) && data.some((text) => text.includes(REPLACEMENT)));

function holdsReplacement(file: string): boolean {
  const descriptor = openSync(file, "r");
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    const overlap = REPLACEMENT_BYTES.length - 1;
    for (let at = 0; ; at += PIECE_BYTES - overlap) {
      const length = readSync(descriptor, piece, 0, PIECE_BYTES, at);
      if (piece.subarray(0, length).includes(REPLACEMENT_BYTES)) return true;
      if (length < PIECE_BYTES) return false;
    }
  } finally {
    closeSync(descriptor);
  }
}
