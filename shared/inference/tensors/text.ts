import { invalid } from "../faults.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One element of BYTES that came as bytes. Throws `SkerryError` INVALID_REQUEST naming the element. */
export function decodeText(bytes: Uint8Array, index: number, label: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid(`element ${index} of ${label} is not UTF-8; this runtime takes only UTF-8 strings`);
  }
}

/**
 * The text, if the model gets it as it is: onnxruntime-node 1.30.0 passes strings to C, which ends them at U+0000, and
 * writes U+FFFD for half a surrogate pair. Throws `SkerryError` INVALID_REQUEST naming the element.
 */
export function runtimeText(text: string, index: number, label: string): string {
  if (text.includes("\0"))
    throw invalid(
      `element ${index} of ${label} holds the character U+0000, at which this runtime would cut it; take it out`,
    );
  if (!text.isWellFormed())
    throw invalid(
      `element ${index} of ${label} holds half of a surrogate pair, which UTF-8 cannot encode; send the whole character or none`,
    );
  return text;
}
