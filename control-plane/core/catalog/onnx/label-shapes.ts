import type { TensorSpec } from "../../../../shared/protocol/model-files/manifest.ts";
import type { GraphNode } from "./batching/graph-facts.ts";

const ML = "ai.onnx.ml";
/** Their first output has a label for each row of the input, whatever the exporter declares: LightGBM's writes `[1]`. */
const CLASSIFIERS = new Set(["TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"]);
/** Operators that keep the shape. */
const SAME_SHAPE = new Set(["Identity", "Cast"]);
const MAX_STEPS = 16;

/** The outputs, those that are a classifier's labels with the shape that they have. */
export function withLabelShapes(outputs: readonly TensorSpec[], nodes: readonly GraphNode[]): readonly TensorSpec[] {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  return outputs.map((output) => (isLabels(output.name, producers) ? { ...output, shape: [-1] } : output));
}

function isLabels(output: string, producers: ReadonlyMap<string, GraphNode>): boolean {
  let name = output;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const node = producers.get(name);
    if (!node) return false;
    if (node.domain === ML && CLASSIFIERS.has(node.operator)) return node.outputs[0] === name;
    if (!SAME_SHAPE.has(node.operator)) return false;
    name = node.inputs[0] ?? "";
  }
  return false;
}
