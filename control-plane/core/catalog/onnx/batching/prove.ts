import type { RowProof } from "../../../../../shared/protocol/model-files/manifest.ts";
import { printable } from "../../inspection-refused.ts";
import { fold } from "./fold.ts";
import type { GraphFacts, GraphNode } from "./graph-facts.ts";
import { RULES } from "./operators.ts";
import { constant, rows, type Value } from "./value.ts";

const MAX_REASON = 300;

/** Results change from run to run, or with what else is in the run, whatever their inputs are. */
const RANDOM = new Set([
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
  "Multinomial",
  "Bernoulli",
]);

/**
 * Proves that each row of every output depends on the same row of the inputs alone, so that requests may share a run.
 * An abstract interpretation of the graph: the batch dimension is followed operator by operator through an allow-list,
 * and anything else stops it (a whole-tensor reduction, dynamic quantisation, a subgraph, an unknown operator). A trial
 * on samples proves nothing of the kind: a graph may behave differently from some value on.
 */
export function proveRowIndependence({ nodes, constants, inputs, outputs, opset }: GraphFacts): RowProof {
  const values = new Map<string, Value>();
  for (const [name, facts] of constants) values.set(name, constant(facts));
  for (const { name, shape } of inputs) {
    if (shape.length === 0 || shape[0] !== -1)
      return unproved(`the first dimension of input "${name}" is ${shape.length === 0 ? "missing" : "fixed"}`);
    values.set(name, rows(shape.slice(1)));
  }
  for (const node of nodes) {
    const reason = follow(node, values, opset);
    if (reason !== undefined) return unproved(reason);
  }
  const other = outputs.find((name) => values.get(name)?.kind !== "rows");
  return other === undefined ? { kind: "independent" } : unproved(`output "${other}" is no stack of rows`);
}

/** `reason` names the operator that stops the proof. */
const unproved = (reason: string): RowProof => ({ kind: "unproved", reason: printable(reason).slice(0, MAX_REASON) });

/** Sets the outputs of one node; the reason when the proof ends there. */
function follow(node: GraphNode, values: Map<string, Value>, opset: number): string | undefined {
  const { operator } = node;
  const inputs = node.inputs.map((name) => (name === "" ? undefined : values.get(name)));
  const isMissing = inputs.some((value, i) => value === undefined && node.inputs[i] !== "");
  if (isMissing) return describe(node, "it reads a tensor that nothing before it computes");
  if (node.hasSubgraph) return describe(node, "it runs a graph of its own");
  if (RANDOM.has(operator)) return describe(node, "it draws random numbers");
  if (operator === "Constant") return set(node, values, [constant(node.tensor ?? listFacts(node))]);
  if (inputs.every((value) => value === undefined || value.kind === "constant")) {
    if (operator === "Dropout" && inputs.length > 2) return describe(node, "it may drop values at random");
    return set(node, values, constant(fold(node, inputs)));
  }
  const rule = RULES.get(`${node.domain}/${operator}`);
  if (!rule) return describe(node, "it is not known to keep rows apart");
  const result = rule({ node, inputs, opset });
  if ("refused" in result) return describe(node, result.refused);
  return set(node, values, result);
}

function set(node: GraphNode, values: Map<string, Value>, result: Value | readonly Value[]): undefined {
  const isList = (value: Value | readonly Value[]): value is readonly Value[] => Array.isArray(value);
  node.outputs.forEach((name, i) => {
    const value = isList(result) ? result[i] : result;
    if (name !== "" && value) values.set(name, value);
  });
  return undefined;
}

/** `Constant` with its value as an attribute of integers. */
function listFacts({ integers }: GraphNode): { dims: readonly number[]; integers: readonly number[] } | undefined {
  const list = integers.get("value_ints");
  if (list) return { dims: [list.length], integers: list };
  const one = integers.get("value_int");
  return one && { dims: [], integers: one };
}

const describe = ({ operator, outputs }: GraphNode, why: string): string =>
  `operator ${operator} (${outputs[0] ?? "no output"}): ${why}`;
