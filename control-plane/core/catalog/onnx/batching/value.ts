import type { ConstantFacts } from "./graph-facts.ts";

/**
 * What is known of one tensor of the graph, whatever a caller sends.
 *
 * constant  the same for every request
 * rows      dimension 0 counts the rows of the request, and each row depends on the same row of the inputs alone
 * sizes     a scalar or a list of dimensions, as `Shape` yields them
 */
export type Value = Constant | Rows | Sizes;

export interface Constant {
  readonly kind: "constant";
  /** Undefined when it is computed from other constants. */
  readonly facts: ConstantFacts | undefined;
}

export interface Rows {
  readonly kind: "rows";
  /** Lengths of the dimensions after the first, −1 where unknown; undefined when not even their number is known. */
  readonly row: readonly number[] | undefined;
}

export interface Sizes {
  readonly kind: "sizes";
  readonly items: readonly SizeItem[];
}

/** A number, the number of rows, something that the number of rows cannot change, or something that it can. */
export type SizeItem = number | "rows" | "fixed" | "mixed";

export const constant = (facts?: ConstantFacts): Constant => ({ kind: "constant", facts });
export const rows = (row?: readonly number[]): Rows => ({ kind: "rows", row });
export const sizes = (items: readonly SizeItem[]): Sizes => ({ kind: "sizes", items });

/** Number of dimensions, the first included. */
export function rankOf(value: Value): number | undefined {
  if (value.kind === "rows") return value.row && value.row.length + 1;
  return value.kind === "constant" ? value.facts?.dims.length : undefined;
}

/** The whole numbers that a value holds; undefined when they are not known or depend on the request. */
export function integersOf(value: Value | undefined): readonly number[] | undefined {
  if (value?.kind === "constant") return value.facts?.integers;
  if (value?.kind !== "sizes") return undefined;
  const numbers = value.items.filter((item) => typeof item === "number");
  return numbers.length === value.items.length ? numbers : undefined;
}

/** A shape or a part of one; undefined when its entries are not known one by one. */
export function sizeItems(value: Value | undefined): readonly SizeItem[] | undefined {
  return value?.kind === "sizes" ? value.items : integersOf(value);
}

/** True for what the number of rows cannot change. */
export const isFixed = (value: Value): boolean =>
  value.kind === "constant" ||
  (value.kind === "sizes" && value.items.every((item) => item !== "rows" && item !== "mixed"));

/** A negative axis counts from the end; undefined when that needs an unknown rank. */
export function axisOf(axis: number, rank: number | undefined): number | undefined {
  if (axis >= 0) return axis;
  return rank === undefined ? undefined : axis + rank;
}
