import type { Signature } from "../../../../shared/inference/request.ts";
import type { TensorSignature } from "../../../../shared/inference/tensors/shape.ts";

/**
 * Why requests to a model with this signature may not share a run; undefined when they may, as far as a signature tells.
 * Rows can be told apart afterwards only when every input and every output is a stack of rows. A fixed first dimension
 * or a scalar belongs to the run as a whole: a batch size that was exported, the state of a speech model, a switch.
 */
export function whySignatureForbids({ inputs, outputs }: Signature): string | undefined {
  if (inputs.length === 0) return "the model has no inputs";
  return (
    firstDefined(inputs, (input) => whyNotRows("input", input)) ??
    firstDefined(outputs, (output) => whyNotRows("output", output))
  );
}

function whyNotRows(kind: "input" | "output", { name, shape }: TensorSignature): string | undefined {
  const [first] = shape;
  if (first === undefined) return `${kind} "${name}" is a scalar, or its shape is not told`;
  return first === -1 ? undefined : `the first dimension of ${kind} "${name}" is fixed to ${first}`;
}

function firstDefined<T, R>(values: readonly T[], pick: (value: T) => R | undefined): R | undefined {
  for (const value of values) {
    const picked = pick(value);
    if (picked !== undefined) return picked;
  }
  return undefined;
}
