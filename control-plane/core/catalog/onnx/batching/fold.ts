import type { ConstantFacts, GraphNode } from "./graph-facts.ts";
import { integersOf, type Value } from "./value.ts";

/** Operators whose result has the shape of their first input; those in `SAME` keep its numbers, too. */
const SAME_SHAPE = new Set(["DequantizeLinear", "QuantizeLinear", "Neg", "Abs", "Sqrt", "Exp", "Relu", "Clip"]);
const SAME = new Set(["Identity", "Cast"]);
/** Operators that only lay the same numbers out otherwise. */
const RESHAPED = new Set(["Unsqueeze", "Squeeze", "Reshape"]);

/** What is known of the result when all inputs are constants: weights reach their operator through casts and transpositions. */
export function fold(node: GraphNode, inputs: readonly (Value | undefined)[]): ConstantFacts | undefined {
  const [first] = inputs;
  const facts = first?.kind === "constant" ? first.facts : undefined;
  if (!facts) return undefined;
  const { operator } = node;
  if (SAME.has(operator)) return facts;
  if (SAME_SHAPE.has(operator)) return { dims: facts.dims, integers: undefined };
  if (operator === "Transpose") {
    const order = node.integers.get("perm") ?? facts.dims.map((_, i) => facts.dims.length - 1 - i);
    return { dims: order.map((axis) => facts.dims[axis] ?? -1), integers: undefined };
  }
  const { integers } = facts;
  if (RESHAPED.has(operator) && integers) {
    const isScalar = operator === "Squeeze" || (operator === "Reshape" && integersOf(inputs[1])?.length === 0);
    return { dims: isScalar && integers.length === 1 ? [] : [integers.length], integers };
  }
  if (operator === "Concat") {
    const parts = inputs.map(integersOf);
    return parts.every((part) => part !== undefined)
      ? { dims: [parts.flat().length], integers: parts.flat() }
      : undefined;
  }
  return undefined;
}
