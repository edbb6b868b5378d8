import { whyNotBroadcast } from "./elementwise.ts";
import { attribute, refused, type Rule, type RuleInput } from "./rule.ts";
import { axisOf, integersOf, isFixed, rankOf, rows, type Rows, type Value } from "./value.ts";

/** Operators that compute along dimensions: each says along which, and dimension 0 must not be among them. */

const NOT_ROWS = refused("its parameters depend on the request, or its data do not");
const ALONG_ROWS = refused("it computes along the rows");

const othersAreFixed = ({ inputs }: RuleInput): boolean =>
  inputs.slice(1).every((value) => value === undefined || isFixed(value));

/** A weight on the right, or two stacks of matrices of the same rank. */
export const matMul: Rule = ({ inputs: [left, right] }) => {
  if (left?.kind === "rows" && right?.kind === "rows") {
    const rank = rankOf(left);
    return rank !== undefined && rank >= 3 && rank === rankOf(right) ? rows(left.row?.map(() => -1)) : ALONG_ROWS;
  }
  const fixed = left?.kind === "rows" ? right : left;
  const stack = left?.kind === "rows" ? left : right;
  if (stack?.kind !== "rows" || fixed?.kind !== "constant") return NOT_ROWS;
  const rank = rankOf(stack);
  const dims = fixed.facts?.dims;
  if (rank === undefined || dims === undefined) return refused("the shape of an operand is not known");
  if (stack === left) {
    const isOfRows = rank >= 2 && dims.length <= Math.max(2, rank - 1);
    if (!isOfRows) return ALONG_ROWS;
    if (dims.length > 2) return rows(stack.row?.map(() => -1));
    const inner = stack.row?.slice(0, -1) ?? [];
    return rows(dims.length === 1 ? inner : [...inner, dims.at(-1) ?? -1]);
  }
  // w · x sums over the last but one dimension of x, which are the rows of a matrix.
  return rank >= 3 && dims.length < rank ? rows(stack.row?.map(() => -1)) : ALONG_ROWS;
};

export const gemm: Rule = ({ node, inputs: [a, b, c] }) => {
  if (a?.kind !== "rows" || b?.kind !== "constant") return NOT_ROWS;
  if ((attribute(node, "transA") ?? 0) !== 0) return ALONG_ROWS;
  const width = b.facts?.dims.at((attribute(node, "transB") ?? 0) === 0 ? 1 : 0) ?? -1;
  if (c === undefined) return rows([width]);
  if (c.kind === "rows") return rankOf(c) === 2 ? rows([width]) : ALONG_ROWS;
  const dims = c.kind === "constant" ? c.facts?.dims : undefined;
  return dims !== undefined && (dims.length < 2 || dims[0] === 1)
    ? rows([width])
    : refused("a constant is laid along the rows");
};

/** Convolution and pooling: [n, channels, …] by windows within one row. */
export const windowed: Rule = (input) => {
  const [data, weights] = input.inputs;
  if (data?.kind !== "rows" || !othersAreFixed(input)) return NOT_ROWS;
  const kernel = weights?.kind === "constant" ? weights.facts?.dims.slice(2) : input.node.integers.get("kernel_shape");
  const channels = weights?.kind === "constant" ? weights.facts?.dims[0] : data.row?.[0];
  const isPlain =
    !input.node.operator.includes("Transpose") && (input.node.texts.get("auto_pad") ?? "NOTSET") === "NOTSET";
  // The second output of MaxPool counts places through all rows, so only the first one is followed.
  if (!isPlain || !kernel || data.row?.length !== kernel.length + 1) return [rows(data.row?.map(() => -1))];
  return [rows([channels ?? -1, ...data.row.slice(1).map((size, i) => windows(size, { i, kernel, input }))])];
};

function windows(
  size: number,
  { i, kernel, input: { node } }: { readonly i: number; readonly kernel: readonly number[]; readonly input: RuleInput },
): number {
  const of = (name: string, at: number, otherwise: number): number => node.integers.get(name)?.[at] ?? otherwise;
  const reach = of("dilations", i, 1) * ((kernel[i] ?? 1) - 1) + 1;
  const padded = size + of("pads", i, 0) + of("pads", i + kernel.length, 0);
  const steps = (padded - reach) / of("strides", i, 1);
  if (size === -1) return -1;
  return (attribute(node, "ceil_mode") === 1 ? Math.ceil(steps) : Math.floor(steps)) + 1;
}

export const globalPool: Rule = ({ inputs: [data] }) =>
  data?.kind === "rows" ? rows(data.row?.map((size, i) => (i === 0 ? size : 1))) : NOT_ROWS;

/** The shape stays, and what is computed lies within a row: normalisation by stored moments, quantisation by stored scales. */
export const keepsShape: Rule = (input) => {
  const [data] = input.inputs;
  return data?.kind === "rows" && othersAreFixed(input) ? data : NOT_ROWS;
};

/** In inference; while training, the moments are those of the whole batch. */
export const batchNormalization: Rule = (input) =>
  (attribute(input.node, "training_mode") ?? 0) === 0 ? keepsShape(input) : ALONG_ROWS;

export const dropout: Rule = (input) => {
  const training = input.inputs[2];
  return training === undefined || integersOf(training)?.[0] === 0
    ? keepsShape(input)
    : refused("it drops values at random");
};

/** Along one axis, all from it on before opset 13: `Softmax` and its kin. */
export const softmax: Rule = ({ node, inputs: [data], opset }) => {
  if (data?.kind !== "rows") return NOT_ROWS;
  const axis = axisOf(attribute(node, "axis") ?? (opset >= 13 ? -1 : 1), rankOf(data));
  return axis === undefined || axis === 0 ? ALONG_ROWS : data;
};

/** `LayerNormalization` and its kin: from an axis on. */
export const normalization: Rule = (input) => {
  const [data] = input.inputs;
  if (data?.kind !== "rows") return NOT_ROWS;
  // The runtime broadcasts scale and bias over the whole tensor, not only over the dimensions that are normalised.
  for (const parameter of input.inputs.slice(1)) {
    const reason = parameter && (parameter.kind === "rows" ? NOT_ROWS.refused : whyNotBroadcast(parameter, data));
    if (reason !== undefined) return refused(reason);
  }
  const axis = axisOf(attribute(input.node, "axis") ?? -1, rankOf(data));
  return axis === undefined || axis === 0 ? ALONG_ROWS : [data];
};

export const reduce: Rule = ({ node, inputs: [data, axes] }) => {
  if (data?.kind !== "rows") return NOT_ROWS;
  const given = axes === undefined ? node.integers.get("axes") : integersOf(axes);
  if (given === undefined || given.length === 0)
    return attribute(node, "noop_with_empty_axes") === 1 && axes === undefined
      ? data
      : refused("it reduces the whole tensor");
  return without(data, { axes: given, keeps: (attribute(node, "keepdims") ?? 1) === 1 });
};

export const argument: Rule = ({ node, inputs: [data] }) =>
  data?.kind === "rows"
    ? without(data, { axes: [attribute(node, "axis") ?? 0], keeps: (attribute(node, "keepdims") ?? 1) === 1 })
    : NOT_ROWS;

function without(
  data: Rows,
  { axes, keeps }: { readonly axes: readonly number[]; readonly keeps: boolean },
): Value | { readonly refused: string } {
  const places = axes.map((axis) => axisOf(axis, rankOf(data)));
  if (places.includes(0) || places.includes(undefined)) return ALONG_ROWS;
  if (keeps) return rows(data.row?.map((size, i) => (places.includes(i + 1) ? 1 : size)));
  return rows(data.row?.filter((_, i) => !places.includes(i + 1)));
}

/** Along one axis, the last by default; the shape stays but for that axis. */
export const alongAxis: Rule = (input) => {
  const [data] = input.inputs;
  if (data?.kind !== "rows" || !othersAreFixed(input)) return NOT_ROWS;
  const axis = axisOf(attribute(input.node, "axis") ?? -1, rankOf(data));
  return axis === undefined || axis === 0 ? ALONG_ROWS : rows(data.row?.map((size, i) => (i === axis - 1 ? -1 : size)));
};

/** `ai.onnx.ml`: [n, features] → one line for each row. */
export const perRow: Rule = (input) => {
  const [data] = input.inputs;
  if (data?.kind !== "rows" || !othersAreFixed(input)) return NOT_ROWS;
  return rankOf(data) === 2 ? rows([-1]) : refused("it takes a matrix of rows, and its input may be none");
};

/** As `perRow`, with one label for each row as its first output. */
export const classifier: Rule = (input) => {
  const scores = perRow(input);
  return "kind" in scores ? [rows([]), scores] : scores;
};

/** The axis is an input. */
export const cumSum: Rule = ({ inputs: [data, along] }) => {
  const [given] = integersOf(along) ?? [];
  const axis = data?.kind === "rows" && given !== undefined ? axisOf(given, rankOf(data)) : undefined;
  return data === undefined || axis === undefined || axis === 0 ? ALONG_ROWS : data;
};

/** By stored scales, one for all or one for each place of an axis that does not count rows. */
export const quantization: Rule = (input) => {
  const scale = input.inputs[1];
  const isOne = scale?.kind === "constant" && scale.facts?.dims.length === 0;
  return isOne || (attribute(input.node, "axis") ?? 1) !== 0 ? keepsShape(input) : ALONG_ROWS;
};

/** Moves elements between channels and places within a row. */
export const withinRow: Rule = ({ inputs: [data] }) =>
  data?.kind === "rows" ? rows(data.row?.map(() => -1)) : NOT_ROWS;

export const arrayFeatures: Rule = ({ inputs: [data, indices] }) =>
  data?.kind === "rows" && indices?.kind === "constant" && rankOf(data) === 2 ? rows([-1]) : ALONG_ROWS;
