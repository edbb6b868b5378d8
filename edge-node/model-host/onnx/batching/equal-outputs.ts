import type { Datatype, Tensor } from "../../../../shared/inference/tensors/datatypes.ts";

/**
 * Largest difference that is called equal, as a part of the largest value of the row. Kernels for one row and for many
 * may add in another order. Measured on x64: no bit differs for 28×28 convolutions and for products up to 1,024 wide, but
 * other processors have other kernels, and roundings of 6e-8 in a sum of 1,024 stay below 6e-5. A model that mixes rows is off
 * by far more: 1.6e-2 for dynamic quantisation, whose scale is that of the whole batch.
 */
const TOLERANCE: Readonly<Partial<Record<Datatype, number>>> = { FP16: 5e-3, FP32: 1e-4, FP64: 1e-9 };

/** Name of the first output that differs; undefined when all are equal within the tolerance of their datatype. */
export const differingOutput = (alone: readonly Tensor[], shared: readonly Tensor[]): string | undefined =>
  alone.find((output, i) => !isEqual(output, shared[i]))?.name;

function isEqual(a: Tensor, b: Tensor | undefined): boolean {
  if (b === undefined || a.shape.join() !== b.shape.join()) return false;
  const tolerance = TOLERANCE[a.datatype];
  if (tolerance === undefined) return a.data.every((value: unknown, i: number) => value === b.data[i]);
  let largest = 0;
  for (const value of a.data) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(Number(value)));
  return a.data.every((value: unknown, i: number) => {
    const other = b.data[i];
    return Object.is(value, other) || Math.abs(Number(value) - Number(other)) <= tolerance * largest;
  });
}
