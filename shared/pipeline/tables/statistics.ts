import { z } from "zod";
import { columnName } from "./columns.ts";

/** One number of the rows of a window. */
export const statistic = z.discriminatedUnion("how", [
  z.strictObject({ of: columnName, how: z.enum(["mean", "min", "max", "sum", "std", "last"]) }),
  z.strictObject({ of: columnName, how: z.literal("percentile"), percentile: z.number().min(0).max(100) }),
  z.strictObject({ how: z.literal("count") }),
]);
export type Statistic = z.infer<typeof statistic>;

/**
 * Of the numbers of a column in `rows` rows, in their order. Missing ones (NaN) do not count; NaN when none is left. Percentiles are
 * between the nearest ranks, as NumPy's `percentile`; `std` is that of the whole, as NumPy's.
 */
export function statisticOf(column: readonly number[], rows: number, each: Statistic): number {
  if (each.how === "count") return rows;
  const numbers = column.filter((value) => !Number.isNaN(value));
  if (numbers.length === 0) return Number.NaN;
  const sum = numbers.reduce((a, b) => a + b, 0);
  const mean = sum / numbers.length;
  switch (each.how) {
    case "sum":
      return sum;
    case "mean":
      return mean;
    case "min":
      return numbers.reduce((a, b) => Math.min(a, b));
    case "max":
      return numbers.reduce((a, b) => Math.max(a, b));
    case "last":
      return numbers.at(-1) ?? Number.NaN;
    case "std":
      return Math.sqrt(numbers.reduce((total, value) => total + (value - mean) ** 2, 0) / numbers.length);
    case "percentile":
      return percentileOf(numbers, each.percentile / 100);
  }
}

function percentileOf(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const place = part * (sorted.length - 1);
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  return low + (place % 1) * ((sorted[Math.ceil(place)] ?? low) - low);
}
