import { DATATYPES, type Datatype, isDatatype, type Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import type { InferRequest, RequestedOutput } from "../../../shared/inference/request.ts";
import { MAX_ANSWER_BYTES } from "../../../shared/protocol/limits.ts";
import type { Dimensions } from "./model.ts";

/** Requests for other outputs, or in other forms, whose responses were too large. */
const MAX_KNOWN = 64;

/** The fewest bytes that an element takes as JSON, its comma included: `true,`, `"",`, `0,`. */
const jsonBytes = (datatype: Datatype): number => (datatype === "BOOL" ? 5 : datatype === "BYTES" ? 3 : 2);

function binaryBytes(datatype: Datatype): number {
  const type = DATATYPES[datatype];
  return type.kind === "bytes" ? 4 : type.bytes;
}

/** The fewest bytes that an output takes in the form that is asked for. */
const leastBytes = (datatype: Datatype, elements: number, binary: boolean): number =>
  elements * (binary ? binaryBytes(datatype) : jsonBytes(datatype));

/**
 * Says before the run when a response will be too large, as far as that is known: from the sizes that the model's outputs share
 * with its inputs, and from earlier responses. What a float takes as JSON depends on its digits, so a response as large as
 * one that was too large as JSON is refused, and the first one is not.
 */
export class ResponseSizes {
  readonly #dimensions: Dimensions;
  /** Outputs and their forms → elements as JSON that were too many. */
  readonly #tooMany = new Map<string, number>();

  constructor(dimensions: Dimensions) {
    this.#dimensions = dimensions;
  }

  /** Throws `SkerryError` INVALID_REQUEST when the response is known to be too large. */
  check(request: Pick<InferRequest, "inputs" | "outputs">): void {
    const found = this.#sizesOf(request);
    const least = found.reduce(
      (sum, { datatype, elements, binary }) => sum + leastBytes(datatype, elements, binary),
      0,
    );
    const tooMany = this.#tooMany.get(formOf(request.outputs)) ?? Infinity;
    if (least <= MAX_ANSWER_BYTES && asJson(found) < tooMany) return;
    const asBinary = found.reduce((sum, { datatype, elements }) => sum + leastBytes(datatype, elements, true), 0);
    throw tooLarge(least > MAX_ANSWER_BYTES ? `at least ${least}` : "too many", asBinary);
  }

  /** The response to this request was too large. */
  wasTooLarge(request: Pick<InferRequest, "inputs" | "outputs">): void {
    const elements = asJson(this.#sizesOf(request));
    if (elements === 0) return;
    const form = formOf(request.outputs);
    this.#tooMany.set(form, Math.min(elements, this.#tooMany.get(form) ?? Infinity));
    const [oldest] = this.#tooMany.keys();
    if (this.#tooMany.size > MAX_KNOWN && oldest !== undefined) this.#tooMany.delete(oldest);
  }

  /** Of the outputs whose size follows from the inputs. */
  #sizesOf({ inputs, outputs }: Pick<InferRequest, "inputs" | "outputs">) {
    const sizes = this.#symbolsOf(inputs);
    return outputs.flatMap(({ name, binary }) => {
      const output = this.#dimensions.outputs.find((each) => each.name === name);
      if (!output || !isDatatype(output.datatype) || output.shape.length === 0) return [];
      let elements = 1;
      for (const size of output.shape) {
        const length = typeof size === "number" ? size : sizes.get(size);
        if (length === undefined) return [];
        elements *= length;
      }
      return [{ datatype: output.datatype, elements, binary }];
    });
  }

  /** The lengths that this request gives to the names of variable dimensions. */
  #symbolsOf(inputs: readonly Tensor[]): ReadonlyMap<string, number> {
    const sizes = new Map<string, number>();
    for (const { name, shape } of inputs) {
      const declared = this.#dimensions.inputs.find((each) => each.name === name)?.shape ?? [];
      declared.forEach((symbol, i) => {
        if (typeof symbol === "string" && symbol !== "") sizes.set(symbol, shape[i] ?? 0);
      });
    }
    return sizes;
  }
}

/** Throws `SkerryError` INVALID_REQUEST when outputs are too large for any response, before they are written. */
export function checkOutputs(tensors: readonly Tensor[], outputs: readonly RequestedOutput[]): void {
  const sum = (isBinary: (i: number) => boolean): number =>
    tensors.reduce((bytes, { datatype, data }, i) => bytes + leastBytes(datatype, data.length, isBinary(i)), 0);
  const least = sum((i) => outputs[i]?.binary === true);
  if (least > MAX_ANSWER_BYTES)
    throw tooLarge(
      `at least ${least}`,
      sum(() => true),
    );
}

/** `bytes`: how many the response has, or would have; `asBinary`: at least so many with binary outputs. */
export const tooLarge = (bytes: string, asBinary: number): Error =>
  invalid(
    `the response would have ${bytes} bytes; the limit is ${MAX_ANSWER_BYTES}. ${
      asBinary > MAX_ANSWER_BYTES
        ? "Ask for fewer rows or outputs"
        : `Ask for binary outputs (\`binary_data_output\`: true), or for fewer rows or outputs`
    }`,
  );

const formOf = (outputs: readonly RequestedOutput[]): string =>
  JSON.stringify(outputs.map(({ name, binary }) => [name, binary]));

const asJson = (sizes: readonly { readonly elements: number; readonly binary: boolean }[]): number =>
  sizes.reduce((sum, { elements, binary }) => sum + (binary ? 0 : elements), 0);
