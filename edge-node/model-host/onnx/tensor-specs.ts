import type { TensorSignature } from "../../../shared/inference/tensors/shape.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import type { LoadedModel } from "./model.ts";

/** What the event `loaded` says of a model's tensors. */
export const tensorSpecs = ({
  inputs,
  optional,
  outputs,
}: Pick<LoadedModel, "inputs" | "optional" | "outputs">): {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
} => ({ inputs: [...inputs.map(toSpec), ...optional.map(asOptional)], outputs: outputs.map(toSpec) });

const toSpec = (tensor: TensorSignature): TensorSpec => ({ ...tensor, shape: [...tensor.shape] });
const asOptional = (input: TensorSignature): TensorSpec => ({ ...toSpec(input), parameters: { optional: true } });
