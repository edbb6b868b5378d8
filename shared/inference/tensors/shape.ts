import { invalid } from "../faults.ts";
import { arrayOf } from "../json.ts";

/** A tensor of a model's signature; −1 in `shape` stands for any length, an empty shape for a scalar or for "not told". */
export interface TensorSignature {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Of an input of BYTES: its elements are kept as bytes, which need not be UTF-8. */
  readonly asBytes?: true;
}

/** More dimensions than any model we met; bounds the work that a shape can cause. */
export const MAX_RANK = 8;

export const shapeText = (shape: readonly number[]): string =>
  `[${shape.map((size) => (size === -1 ? "any" : size)).join(", ")}]`;

/** Reads a shape: at most eight whole numbers ≥ 0. `label` names the tensor, as in `input "x"`. */
export function decodeShape(value: unknown, label: string): readonly number[] {
  const shape = arrayOf(value, `the shape of ${label}`);
  if (shape.length > MAX_RANK) throw invalid(`${label} has ${shape.length} dimensions; the limit is ${MAX_RANK}`);
  for (const size of shape) {
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
      throw invalid(
        `the shape of ${label} holds something else than whole numbers ≥ 0; give the exact size of every dimension`,
      );
    }
  }
  return shape as readonly number[]; // every element was checked above
}

/**
 * Elements that a shape asks for. Multiplied as BigInt, and before anything is allocated: `[4294967296, 4294967296]`
 * must not pass as 0 or as 2^64 rounded.
 */
export function elementCount(shape: readonly number[], label: string): number {
  let product = 1n;
  for (const size of shape) product *= BigInt(size);
  if (product > BigInt(Number.MAX_SAFE_INTEGER))
    throw invalid(`the shape ${shapeText(shape)} of ${label} asks for more elements than any body can hold`);
  return Number(product);
}

/** Refuses a shape that the model's signature does not allow. A signature without dimensions says nothing: the runtime decides. */
export function matchShape(shape: readonly number[], spec: TensorSignature, label: string): void {
  if (spec.shape.length === 0) return;
  const fits = shape.length === spec.shape.length && spec.shape.every((size, i) => size === -1 || size === shape[i]);
  if (!fits) throw invalid(`${label} has the shape ${shapeText(shape)}; the model takes ${shapeText(spec.shape)}`);
}

/** The shape of raw bytes: the signature's, its one variable dimension derived from the count of elements. */
export function deriveShape(spec: TensorSignature, elements: number, label: string): readonly number[] {
  const variable = spec.shape.filter((size) => size === -1).length;
  if (variable > 1)
    throw invalid(
      `${label} has ${variable} variable dimensions, so raw bytes do not tell its shape; send a JSON header with the shape`,
    );
  const known = elementCount(
    spec.shape.filter((size) => size !== -1),
    label,
  );
  if (variable === 0 && known === elements) return spec.shape;
  const derived = elements / known;
  if (variable === 1 && Number.isSafeInteger(derived)) return spec.shape.map((size) => (size === -1 ? derived : size));
  throw invalid(
    `${label}: ${elements} elements do not fill the shape ${shapeText(spec.shape)}; send as many as it asks for`,
  );
}
