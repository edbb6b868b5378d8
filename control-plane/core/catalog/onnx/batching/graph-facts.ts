/** What the row proof needs of an ONNX graph: operators, wiring, and the few numbers that decide about dimensions. */
export interface GraphFacts {
  readonly nodes: readonly GraphNode[];
  /** Initialisers by name. */
  readonly constants: ReadonlyMap<string, ConstantFacts>;
  /** Inputs that a caller sends, with their shapes; −1 is a variable dimension. */
  readonly inputs: readonly ShapedValue[];
  readonly outputs: readonly string[];
  /** Version of `ai.onnx`. */
  readonly opset: number;
}

export interface ShapedValue {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface GraphNode {
  readonly operator: string;
  /** `ai.onnx` for the default domain. */
  readonly domain: string;
  /** An empty name is an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes that are an integer or a list of integers. */
  readonly integers: ReadonlyMap<string, readonly number[]>;
  /** Attributes that are text, such as `auto_pad`. */
  readonly texts: ReadonlyMap<string, string>;
  /** The tensor of a `Constant` node. */
  readonly tensor: ConstantFacts | undefined;
  /** The operator runs a graph of its own: `If`, `Loop`, `Scan`. */
  readonly hasSubgraph: boolean;
}

export interface ConstantFacts {
  readonly dims: readonly number[];
  /** Its values, when it is a scalar or a short list of whole numbers: axes, shapes, indices. */
  readonly integers: readonly number[] | undefined;
}

/** Longest list of integers that is kept of a constant: shapes and axes have at most one entry for each dimension. */
export const MAX_KEPT_INTEGERS = 32;
