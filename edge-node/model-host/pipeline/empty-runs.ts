import { isDatatype, type Tensor, zeroNumbers } from "../../../shared/inference/tensors/datatypes.ts";
import type { OpenedModel } from "../onnx/model.ts";

/**
 * A model that is not run when no row is left for it: no window of a stream has ended yet. Graphs need not take tensors without rows, and
 * a run that failed would take back what the stream keeps.
 */
export const withoutEmptyRuns = (model: OpenedModel): OpenedModel => ({
  ...model,
  run: (inputs, names) =>
    inputs.length > 0 && inputs.every(({ shape }) => shape[0] === 0)
      ? Promise.resolve(names.map((name) => emptyOutput(model, name)))
      : model.run(inputs, names),
});

function emptyOutput({ outputs }: OpenedModel, name: string): Tensor {
  const spec = outputs.find((output) => output.name === name);
  if (spec === undefined || !isDatatype(spec.datatype)) throw new Error(`there is no output "${name}"`);
  const shape = [0, ...spec.shape.slice(1).map((size) => Math.max(0, size))];
  return { name, datatype: spec.datatype, shape, data: spec.datatype === "BYTES" ? [] : zeroNumbers(spec.datatype, 0) };
}
