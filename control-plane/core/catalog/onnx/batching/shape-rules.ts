import { attribute, refused, type Rule } from "./rule.ts";
import {
  axisOf,
  constant,
  integersOf,
  isFixed,
  rankOf,
  rows,
  sizeItems,
  sizes,
  type SizeItem,
  type Value,
} from "./value.ts";

/** Operators that move elements or dimensions about. What must stay: dimension 0 counts rows, and rows keep their elements. */

const NOT_ROWS = refused("it computes with the number of rows");
const FIRST = refused("it works along the rows");

export const shape: Rule = ({ node, inputs: [data] }) => {
  const row = data?.kind === "rows" ? data.row : undefined;
  if (row === undefined) return data && isFixed(data) ? constant() : refused("the number of dimensions is not known");
  const items: SizeItem[] = ["rows", ...row.map((size) => (size === -1 ? "fixed" : size) satisfies SizeItem)];
  const end = attribute(node, "end") ?? items.length;
  return sizes(items.slice(attribute(node, "start") ?? 0, end));
};

export const flatten: Rule = ({ node, inputs: [data] }) => {
  if (data?.kind !== "rows") return NOT_ROWS;
  const axis = axisOf(attribute(node, "axis") ?? 1, rankOf(data));
  if (axis === undefined || axis === 0) return FIRST;
  const { row } = data;
  if (axis === 1) return rows([row ? product(row) : -1]);
  return refused("it joins rows with another dimension");
};

export const reshape: Rule = ({ node, inputs: [data, target] }) => {
  const wanted = sizeItems(target);
  if (data?.kind === "sizes" || data?.kind === "constant")
    return isFixed(data) && target && isFixed(target) ? constant() : resize(data, wanted);
  if (data?.kind !== "rows") return NOT_ROWS;
  const [first, ...rest] = wanted ?? [];
  if (first === undefined || wanted === undefined) return refused("the new shape is not known");
  const row = rest.map((item) => (typeof item === "number" && item > 0 ? item : -1));
  const keepsRows = first === "rows" || (first === 0 && attribute(node, "allowzero") !== 1);
  if (keepsRows) return rows(inferred(data.row, row));
  // [-1, k]: rows stay rows only when each has k elements now.
  const before = data.row && product(data.row);
  if (first === -1 && before !== undefined && before !== -1 && before === product(row)) return rows(row);
  return refused("it may move elements between rows: keep the first dimension, for example by flatten(1)");
};

/** The one dimension that is left open follows from the others. */
function inferred(before: readonly number[] | undefined, row: readonly number[]): readonly number[] {
  const total = before && product(before);
  const open = row.filter((size) => size === -1).length;
  if (total === undefined || total === -1 || open !== 1) return row;
  const rest = product(row.filter((size) => size !== -1));
  return row.map((size) => (size === -1 ? total / rest : size));
}

const resize = (data: Value, wanted: readonly SizeItem[] | undefined): ReturnType<Rule> =>
  data.kind === "sizes" && wanted?.length !== undefined && wanted.length <= 1 ? data : NOT_ROWS;

export const transpose: Rule = ({ node, inputs: [data] }) => {
  if (data?.kind !== "rows") return NOT_ROWS;
  const order = node.integers.get("perm");
  if (order?.[0] !== 0) return FIRST;
  const { row } = data;
  return rows(row && order.slice(1).map((axis) => row[axis - 1] ?? -1));
};

export const concat: Rule = ({ node, inputs }) => {
  const parts = inputs.filter((value) => value !== undefined);
  const lists = parts.map(sizeItems);
  if (parts.some(({ kind }) => kind === "sizes") && lists.every((list) => list !== undefined))
    return sizes(lists.flat());
  const [first] = parts;
  if (!parts.every((part) => part.kind === "rows") || first?.kind !== "rows")
    return refused("it joins rows with a constant");
  const ranks = new Set(parts.map(rankOf));
  const axis = axisOf(attribute(node, "axis") ?? 0, rankOf(first));
  if (axis === undefined || axis === 0 || ranks.size > 1) return FIRST;
  const { row } = first;
  const widths = parts.map((part) => (part.kind === "rows" ? (part.row?.[axis - 1] ?? -1) : -1));
  const width = widths.includes(-1) ? -1 : widths.reduce((sum, size) => sum + size, 0);
  return rows(row?.map((size, i) => (i === axis - 1 ? width : size)));
};

export const split: Rule = ({ node, inputs: [data] }) => {
  if (data?.kind !== "rows") return NOT_ROWS;
  const axis = axisOf(attribute(node, "axis") ?? 0, rankOf(data));
  return axis === undefined || axis === 0 ? FIRST : rows(data.row?.map((size, i) => (i === axis - 1 ? -1 : size)));
};

export const slice: Rule = ({ node, inputs: [data, starts, ends, axes, steps] }) => {
  if (data === undefined) return NOT_ROWS;
  const from = integersOf(starts) ?? node.integers.get("starts");
  const to = integersOf(ends) ?? node.integers.get("ends");
  if (data.kind === "sizes") {
    if (from?.length !== 1 || to?.length !== 1 || steps !== undefined) return sizes(data.items.map(() => "mixed"));
    return sizes(data.items.slice(from[0], to[0]));
  }
  if (data.kind !== "rows") return NOT_ROWS;
  const along = axes === undefined ? node.integers.get("axes") : integersOf(axes);
  if (along === undefined) return FIRST;
  if ([starts, ends, steps].some((value) => value !== undefined && !isFixed(value))) return NOT_ROWS;
  const places = along.map((axis) => axisOf(axis, rankOf(data)));
  if (places.includes(undefined) || places.includes(0)) return FIRST;
  return rows(data.row?.map((size, i) => (places.includes(i + 1) ? -1 : size)));
};

export const pad: Rule = ({ node, inputs: [data, pads, value, axes] }) => {
  if (data?.kind !== "rows" || (value !== undefined && !isFixed(value))) return NOT_ROWS;
  const amounts = integersOf(pads) ?? node.integers.get("pads");
  if (amounts === undefined || axes !== undefined) return refused("how much it pads is not known");
  return amounts[0] === 0 && amounts[amounts.length / 2] === 0 ? rows(data.row?.map(() => -1)) : FIRST;
};

export const squeeze: Rule = ({ node, inputs: [data, axes] }) => {
  if (data?.kind === "sizes") return data;
  if (data?.kind !== "rows") return NOT_ROWS;
  const places = (integersOf(axes) ?? node.integers.get("axes"))?.map((axis) => axisOf(axis, rankOf(data)));
  if (places === undefined || places.includes(undefined) || places.includes(0)) return FIRST;
  return rows(data.row?.filter((_, i) => !places.includes(i + 1)));
};

export const unsqueeze: Rule = ({ node, inputs: [data, axes] }) => {
  if (data?.kind === "sizes") return data;
  if (data?.kind !== "rows" || data.row === undefined) return NOT_ROWS;
  const given = integersOf(axes) ?? node.integers.get("axes");
  const rank = data.row.length + 1 + (given?.length ?? 0);
  const places = given?.map((axis) => axisOf(axis, rank));
  if (places === undefined || places.includes(0) || places.includes(undefined)) return FIRST;
  const left = [...data.row];
  return rows(Array.from({ length: rank - 1 }, (_, i) => (places.includes(i + 1) ? 1 : (left.shift() ?? -1))));
};

export const expand: Rule = ({ inputs: [data, target] }) => {
  const wanted = sizeItems(target);
  const [first, ...rest] = wanted ?? [];
  if (data === undefined || first === undefined) return refused("the new shape is not known");
  const row = rest.map((item) => (typeof item === "number" ? item : -1));
  if (data.kind === "rows") {
    const rank = rankOf(data);
    return rank === wanted?.length && (first === "rows" || first === 1) ? rows(row.map(() => -1)) : FIRST;
  }
  const dims = data.kind === "constant" ? data.facts?.dims : undefined;
  const isShared = dims !== undefined && (dims.length < (wanted?.length ?? 0) || dims[0] === 1);
  return first === "rows" && isShared ? rows(row) : NOT_ROWS;
};

export const constantOfShape: Rule = ({ inputs: [target] }) => {
  const [first, ...rest] = sizeItems(target) ?? [];
  return first === "rows" ? rows(rest.map((item) => (typeof item === "number" ? item : -1))) : NOT_ROWS;
};

export const gather: Rule = ({ node, inputs: [data, indices] }) => {
  if (data === undefined || indices === undefined) return NOT_ROWS;
  const given = attribute(node, "axis") ?? 0;
  if (data.kind === "sizes") {
    const at = integersOf(indices);
    return at === undefined ? NOT_ROWS : sizes(at.map((i) => data.items.at(i) ?? "mixed"));
  }
  const axis = axisOf(given, rankOf(data));
  if (data.kind === "constant") {
    // An embedding: each index takes a line of the table.
    if (indices.kind !== "rows" || axis !== 0) return NOT_ROWS;
    const width = data.facts?.dims.slice(1);
    return rows(indices.row && width && [...indices.row, ...width]);
  }
  if (!isFixed(indices) || axis === undefined || axis === 0) return FIRST;
  const count = indices.kind === "constant" ? indices.facts?.dims : undefined;
  const { row } = data;
  return rows(row && count && [...row.slice(0, axis - 1), ...count, ...row.slice(axis)]);
};

/** The product of lengths; −1 when one of them is not known. */
const product = (row: readonly number[]): number =>
  row.includes(-1) ? -1 : row.reduce((total, size) => total * size, 1);
