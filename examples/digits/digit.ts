/** Height and width of a digit, in pixels. */
export const IMAGE_SIDE = 28;
export const PIXELS_PER_DIGIT = IMAGE_SIDE * IMAGE_SIDE;
export const CLASS_COUNT = 10;

/** One handwritten digit. */
export interface Digit {
  /** What the writer meant, 0–9. */
  readonly label: number;
  /** Place among the digits of this label in the npm package; with the label it names the digit for good. */
  readonly index: number;
  /** [784], row by row from the top left; 0 is paper, 1 is ink. Always a whole number of 255ths. */
  readonly pixels: Float32Array;
}

// Loops, since `from` with a function walks an iterator, and no Math.round, since Jest looks globals up
// slowly: with both, reading 7.8 million pixels took seconds.

/** The 784 bytes a digit was scanned as, 0 (paper) to 255 (ink). */
export function toBytes(pixels: Float32Array): Uint8Array {
  const bytes = new Uint8Array(pixels.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = pixels[i]! * 255 + 0.5; // a byte drops the fraction
  return bytes;
}

/** Scanned bytes as the models' input: [784], 0–1. */
export function fromBytes(bytes: Uint8Array): Float32Array {
  const pixels = new Float32Array(bytes.length);
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = bytes[i]! / 255;
  return pixels;
}
