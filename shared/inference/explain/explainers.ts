import { DATATYPES, isDatatype } from "../tensors/datatypes.ts";
import type { TensorSignature } from "../tensors/shape.ts";

/** The methods by which an answer is explained; each is a file of `edge-node/model-host/explain`. */
export const EXPLAIN_METHODS = ["occlusion", "integrated-gradients", "shapley"] as const;
export type ExplainMethod = (typeof EXPLAIN_METHODS)[number];

/** A signature as metadata has it: optional inputs are marked, or are a list of their own. */
interface ExplainedSignature {
  readonly inputs: readonly (TensorSignature & {
    readonly parameters?: { readonly optional?: true | undefined } | undefined;
  })[];
  readonly outputs: readonly TensorSignature[];
}

/** The property of a model's metadata that lists its explainers. */
export const EXPLAINERS_PROPERTY = "skerry.explainers";

/** The output that holds an explanation, unless the graph has one of that name. */
export const explanationName = (outputs: readonly { readonly name: string }[]): string =>
  outputs.some(({ name }) => name === "explanation") ? "skerry.explanation" : "explanation";

/**
 * The methods that a version with this signature declares, its default first; none when no input or no output can be explained.
 * An input of rows of features is a table, for which Shapley values are usual; one of more dimensions is a picture or a signal.
 */
export function explainersOf(signature: ExplainedSignature): readonly ExplainMethod[] {
  return [...new Set(explainedInputs(signature).flatMap(methodsFor))];
}

/** Inputs that can be explained: numbers, in rows or in one row. None where another input belongs to no row. */
export function explainedInputs({ inputs, outputs }: ExplainedSignature): readonly TensorSignature[] {
  const required = inputs.filter(({ parameters }) => parameters?.optional !== true);
  if (!required.every(isInRows) || scoredOutputs({ outputs }).length === 0) return [];
  return required.filter(({ datatype, shape }) => shape.length > 1 && isNumbers(datatype));
}

/** Outputs whose elements can be explained: floats, in rows or in one row. */
export const scoredOutputs = ({ outputs }: Pick<ExplainedSignature, "outputs">): readonly TensorSignature[] =>
  outputs.filter((output) => isInRows(output) && isFloats(output.datatype));

/** The methods for one input, its default first. Gradients need values between any two. */
export function methodsFor({ datatype, shape }: TensorSignature): readonly ExplainMethod[] {
  const gradients = isFloats(datatype) ? (["integrated-gradients"] as const) : [];
  return shape.length === 2 ? ["shapley", ...gradients, "occlusion"] : ["occlusion", ...gradients];
}

const isInRows = ({ shape }: TensorSignature): boolean => shape[0] === -1 || shape[0] === 1;

const isFloats = (datatype: string): boolean => isDatatype(datatype) && DATATYPES[datatype].kind === "float";

const isNumbers = (datatype: string): boolean =>
  isFloats(datatype) || (isDatatype(datatype) && DATATYPES[datatype].kind === "integer");
