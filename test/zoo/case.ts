import { readFile } from "node:fs/promises";
import { z } from "zod";
import { DATATYPES, isDatatype, type Tensor } from "../../shared/inference/tensors/datatypes.ts";

const tensor = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.number()),
  base64: z.string().optional(),
  texts: z.array(z.string()).optional(),
});
const cases = z.object({
  rounding: z.number(),
  requests: z.array(z.object({ inputs: z.array(tensor), outputs: z.array(tensor) })),
});

/** A request, and what ONNX Runtime in Python answers to it. */
export interface Case {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** What is known of a model. */
export interface Cases {
  readonly requests: readonly Case[];
  /** The largest difference, in Python, between a row alone and the same row in a batch. */
  readonly rounding: number;
}

/** Reads what `make_models.py` wrote. */
export async function readCases(file: string): Promise<Cases> {
  const { rounding, requests } = cases.parse(JSON.parse(await readFile(file, "utf8")));
  const read = requests.map(({ inputs, outputs }) => ({
    inputs: inputs.map(toTensor),
    outputs: outputs.map(toTensor),
  }));
  return { rounding, requests: read };
}

function toTensor({ name, datatype, shape, base64, texts }: z.infer<typeof tensor>): Tensor {
  if (texts) return { name, datatype: "BYTES", shape, data: texts };
  if (!isDatatype(datatype)) throw new Error(`${name} has the datatype ${datatype}`);
  const type = DATATYPES[datatype];
  if (type.kind === "bytes") throw new Error(`${name} has no texts`);
  const bytes = new Uint8Array(Buffer.from(base64 ?? "", "base64"));
  return { name, datatype, shape, data: type.view(bytes.buffer, 0, bytes.length / type.bytes) };
}

/** The largest difference of two lists of tensors; Infinity when names, shapes or texts differ. */
export function largestDifference(one: readonly Tensor[], other: readonly Tensor[]): number {
  let largest = 0;
  for (const expected of other) {
    const found = one.find(({ name }) => name === expected.name);
    if (!found || found.datatype !== expected.datatype || found.data.length !== expected.data.length) return Infinity;
    for (const [at, value] of Array.from<unknown>(found.data).entries()) {
      const was: unknown = expected.data[at];
      if (Object.is(value, was) || value === was) continue;
      const difference = Math.abs(Number(value) - Number(was));
      largest = Math.max(largest, Number.isNaN(difference) ? Infinity : difference);
    }
  }
  return largest;
}
