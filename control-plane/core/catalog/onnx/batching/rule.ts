import type { GraphNode } from "./graph-facts.ts";
import type { Value } from "./value.ts";

export interface RuleInput {
  readonly node: GraphNode;
  /** Undefined for an optional input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** Version of `ai.onnx`. */
  readonly opset: number;
}

/** The outputs, one value for all of them or one for each; or a reason why rows may not be independent any more. */
export type RuleResult = Value | readonly Value[] | { readonly refused: string };

/** What an operator makes of its inputs, of which at least one depends on the request. */
export type Rule = (input: RuleInput) => RuleResult;

export const refused = (reason: string): { readonly refused: string } => ({ refused: reason });

export const attribute = ({ integers }: GraphNode, name: string): number | undefined => integers.get(name)?.[0];
