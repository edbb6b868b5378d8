import { refused, type Rule, type RuleInput, type RuleResult } from "./rule.ts";
import { isFixed, rankOf, rows, sizes, type Rows, type SizeItem, type Value } from "./value.ts";

/** One result for each element, from the elements at the same place; smaller operands are broadcast. */
export const elementwise: Rule = ({ inputs }) => {
  const present = inputs.filter((value) => value !== undefined);
  if (present.every(({ kind }) => kind !== "rows")) return arithmetic(present);
  const stacks = present.filter((value) => value.kind === "rows");
  const [first] = stacks;
  if (first === undefined) return refused("it has no rows");
  for (const other of present) {
    if (other.kind === "rows") continue;
    const reason = whyNotBroadcast(other, first);
    if (reason !== undefined) return refused(reason);
  }
  return stacks.length === 1 && present.length === 1 ? first : broadcast(stacks, present);
};

/** Numbers of dimensions that are computed with: what the number of rows goes into stays marked. */
function arithmetic(present: readonly Value[]): RuleResult {
  const length = Math.max(...present.map((value) => (value.kind === "sizes" ? value.items.length : 1)));
  const item: SizeItem = present.every(isFixed) ? "fixed" : "mixed";
  const [only] = present;
  if (present.length === 1 && only) return only;
  // The result has the shape of the larger operand, and a list of sizes has one dimension.
  if (present.some((value) => (dimsOf(value)?.length ?? Infinity) > 1))
    return refused("it combines a dimension with a tensor");
  return sizes(Array.from({ length }, () => item));
}

function broadcast(stacks: readonly Rows[], present: readonly Value[]): RuleResult {
  const ranks = new Set(stacks.map(rankOf));
  // Aligned from the right, a tensor of fewer dimensions would lay its rows along another dimension.
  if (stacks.length > 1 && (ranks.size > 1 || ranks.has(undefined)))
    return refused("it combines tensors whose numbers of dimensions differ or are not known");
  const row = stacks[0]?.row;
  if (row === undefined) return rows();
  const isEqual = stacks.every((each) => isSame(each.row, row));
  return rows(row.map((size, i) => (isEqual && !isWide(present, i + 1, row.length + 1) ? size : -1)));
}

const isSame = (a: readonly number[] | undefined, b: readonly number[]): boolean => a?.join() === b.join();

/** A constant may stretch a dimension of length 1. */
function isWide(present: readonly Value[], dimension: number, rank: number): boolean {
  return present.some((value) => {
    if (value.kind === "rows") return false;
    const dims = dimsOf(value);
    return dims === undefined || (dims[dimension - (rank - dims.length)] ?? 1) !== 1;
  });
}

/** Why a fixed operand may give rows different values; undefined when all rows get the same. */
export function whyNotBroadcast(other: Value, of: Rows): string | undefined {
  if (!isFixed(other)) return "it computes with the number of rows";
  const dims = dimsOf(other);
  if (dims === undefined) return "the shape of a constant is not known";
  const rank = rankOf(of) ?? 1;
  const isAlongRows = dims.length > rank || (dims.length === rank && dims[0] !== 1);
  return isAlongRows ? "a constant is laid along the rows" : undefined;
}

function dimsOf(value: Value): readonly number[] | undefined {
  if (value.kind === "constant") return value.facts?.dims;
  return value.kind === "sizes" ? [value.items.length] : undefined;
}

/** As `elementwise`, for operators whose other inputs are scalars or lists that are constants: `Clip`, quantisation by constant scales. */
export const elementwiseByConstants: Rule = (input: RuleInput) => {
  const [data, ...others] = input.inputs;
  if (data?.kind !== "rows") return refused("it computes with the number of rows");
  return others.every((value) => value === undefined || isFixed(value))
    ? data
    : refused("its parameters depend on the request");
};
