import type { TensorSpec } from "../../shared/protocol/model-files/manifest.ts";
import { CliFailure } from "../failure.ts";
import { EXIT } from "../exit-codes.ts";

const FLOATS = new Set(["FP16", "BF16", "FP32", "FP64"]);
/** Elements of one made-up input: a larger one is given as a file. */
const MAX_ELEMENTS = 4_000_000;

/** A request with inputs of the right shape whose content means nothing: one row, every other variable dimension 1. */
export function madeUpRequest(inputs: readonly TensorSpec[]): object {
  return {
    inputs: inputs
      .filter(({ parameters }) => parameters?.optional !== true)
      .map((spec) => {
        const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
        const elements = shape.reduce((product, size) => product * size, 1);
        if (elements > MAX_ELEMENTS)
          throw new CliFailure(EXIT.error, {
            what: `the input "${spec.name}" has ${elements} elements, which is too much to make up`,
            fix: "give a request with --file",
          });
        return {
          name: spec.name,
          datatype: spec.datatype,
          shape,
          data: Array.from({ length: elements }, elementsOf(spec)),
        };
      }),
  };
}

/** Small values that repeat: a model may look indices up, and 0 or 1 is in nearly every table. */
function elementsOf({ datatype }: TensorSpec): (_: unknown, at: number) => unknown {
  if (datatype === "BOOL") return (_, at) => at % 2 === 1;
  if (datatype === "BYTES") return () => "skerry";
  if (FLOATS.has(datatype)) return (_, at) => (at % 10) / 10;
  return (_, at) => at % 2;
}
