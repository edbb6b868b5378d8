import type { Tensor } from "./tensors/datatypes.ts";

/** How large a run is, as far as its memory depends on that: the shapes of its inputs, and the outputs that it answers. */
export interface RunSize {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly outputs: readonly string[];
}

/** The size of a run; undefined when shapes do not tell it: a text has any length. */
export function sizeOf(inputs: readonly Tensor[], outputs: readonly string[]): RunSize | undefined {
  if (inputs.some(({ datatype }) => datatype === "BYTES")) return undefined;
  return { shapes: Object.fromEntries(inputs.map(({ name, shape }) => [name, shape])), outputs };
}

/** Whether a run needs no more than one of size `bound`: no dimension is larger, and it answers no other output. */
export function isWithin(inputs: readonly Tensor[], outputs: readonly string[], bound: RunSize): boolean {
  if (!outputs.every((name) => bound.outputs.includes(name))) return false;
  let names = 0;
  for (const { name, shape } of inputs) {
    const largest = bound.shapes[name];
    if (largest?.length !== shape.length) return false;
    for (let i = 0; i < shape.length; i += 1) if ((shape[i] ?? 0) > (largest[i] ?? 0)) return false;
    names += 1;
  }
  return names === Object.keys(bound.shapes).length;
}

/** Whether a run needs at least what one of size `bound` needs: no dimension is smaller, and it answers the same outputs or more. */
export function isBeyond(inputs: readonly Tensor[], outputs: readonly string[], bound: RunSize): boolean {
  if (!bound.outputs.every((name) => outputs.includes(name))) return false;
  if (inputs.length !== Object.keys(bound.shapes).length) return false;
  return inputs.every(({ name, shape }) => {
    const smallest = bound.shapes[name];
    return smallest?.length === shape.length && smallest.every((size, i) => (shape[i] ?? 0) >= size);
  });
}

const isSmaller = (a: RunSize, b: RunSize): boolean =>
  a.outputs.every((name) => b.outputs.includes(name)) &&
  Object.keys(a.shapes).length === Object.keys(b.shapes).length &&
  Object.entries(a.shapes).every(([name, shape]) => {
    const other = b.shapes[name];
    return other?.length === shape.length && shape.every((size, i) => size <= (other[i] ?? 0));
  });

/** `sizes` with one more, without those that are larger in everything. At most `limit`, the newest. */
export const withSmallest = (sizes: readonly RunSize[], added: RunSize, limit: number): readonly RunSize[] =>
  sizes.some((size) => isSmaller(size, added))
    ? sizes
    : [...sizes.filter((size) => !isSmaller(added, size)), added].slice(-limit);

/** `sizes` with one more, without those that are smaller in everything. At most `limit`, the newest. */
export const withLargest = (sizes: readonly RunSize[], added: RunSize, limit: number): readonly RunSize[] =>
  sizes.some((size) => isSmaller(added, size))
    ? sizes
    : [...sizes.filter((size) => !isSmaller(size, added)), added].slice(-limit);
