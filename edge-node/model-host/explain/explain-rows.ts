import { assertNever } from "../../../shared/base/assert-never.ts";
import { type Tensor, type TensorData, zeroNumbers } from "../../../shared/inference/tensors/datatypes.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import type { Explanation } from "../../../shared/inference/request.ts";
import { integratedGradients } from "./integrated-gradients.ts";
import { occlusion } from "./occlusion.ts";
import type { ExplanationPlan, NumericRow } from "./plan.ts";
import { shapley } from "./shapley.ts";

/** What an explanation needs of the model and of its host. */
export interface Explained {
  /** Answers the named outputs, in that order. */
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<readonly Tensor[]>;
  /** Rows that may share a run: 1 where rows of this model do not. */
  readonly maxRows: number;
  /** Called before each run with what is done; throws when the explanation is to end. */
  readonly check: (done: number, evaluations: number) => void;
}

/**
 * The influence of each element of an input on the model's answer, row by row: FP32, with the shape of that input. `answer` is the output that is explained, as
 * the request itself got it: the element that a row is explained by is its largest one, unless the request names one. Throws
 * `SkerryError` INVALID_REQUEST for a budget that is too small and for an element that the output does not have.
 */
export async function explainRows(
  explained: Explained,
  {
    inputs,
    answer,
    explain,
  }: { readonly inputs: readonly Tensor[]; readonly answer: Tensor; readonly explain: Explanation },
): Promise<Tensor> {
  const at = inputs.findIndex(({ name }) => name === explain.input);
  const input = inputs[at];
  if (input === undefined) throw invalid(`input "${explain.input}" is missing; it is to be explained`);
  const rows = input.shape[0] ?? 0;
  if (answer.shape[0] !== rows || inputs.some(({ shape }) => shape.length > 0 && shape[0] !== rows && shape[0] !== 1))
    throw invalid(`output "${answer.name}" does not have a row for each row of "${input.name}"; explain other ones`);
  const plans = numericRows(input).map((row) => ({ row, plan: planFor(row, input.shape.slice(1), explain) }));
  const evaluations = plans.reduce((sum, { plan }) => sum + plan.evaluations, 0);
  if (evaluations > explain.maxEvaluations) throw tooMany(evaluations, explain);
  const values = new Float32Array(input.data.length);
  let done = 0;
  for (const [r, { row, plan }] of plans.entries()) {
    const element = elementOf(answer, r, explain);
    const scores = new Float64Array(plan.evaluations);
    for (let from = 0; from < plan.evaluations;) {
      explained.check(done + from, evaluations);
      const count = Math.min(explained.maxRows, plan.evaluations - from);
      const variants = variantsOf({ input, row, plan, from, count });
      const others = inputs.map((tensor, i) => (i === at ? variants : repeated(tensor, r, { rows, count })));
      const [scored] = await explained.run(others, [explain.output]);
      if (scored === undefined || scored.shape[0] !== count)
        throw invalid(
          `output "${answer.name}" does not have a row for each row of "${input.name}"; explain other ones`,
        );
      const width = scored.data.length / count;
      for (let i = 0; i < count; i += 1) scores[from + i] = Number(scored.data[i * width + element]);
      from += count;
    }
    done += plan.evaluations;
    values.set(plan.attribute(scores), r * row.length);
  }
  return { name: explain.name, datatype: "FP32", shape: input.shape, data: values };
}

function planFor(row: NumericRow, shape: readonly number[], explain: Explanation): ExplanationPlan {
  const { method, baseline } = explain;
  if (baseline.length > 1 && baseline.length !== row.length)
    throw invalid(
      `\`skerry_explain_baseline\` has ${baseline.length} numbers for rows of ${row.length} elements; give one for each element, or one for all`,
    );
  switch (method) {
    case "occlusion":
      return occlusion(row, { ...explain, shape });
    case "integrated-gradients":
      return integratedGradients(row, explain);
    case "shapley":
      return shapley(row, explain);
    default:
      return assertNever(method);
  }
}

/** The element whose value is explained: the one that the request names, else the first of the largest. */
function elementOf(answer: Tensor, row: number, { element, output }: Explanation): number {
  const width = answer.data.length / (answer.shape[0] ?? 1);
  if (element !== undefined) {
    if (element < width) return element;
    throw invalid(`\`skerry_explain_element\` is ${element}, and a row of output "${output}" has ${width} elements`);
  }
  let largest = 0;
  const valueAt = (i: number): number => Number(answer.data[row * width + i]);
  for (let i = 1; i < width; i += 1) if (valueAt(i) > valueAt(largest)) largest = i;
  return largest;
}

const tooMany = (evaluations: number, { method, maxEvaluations }: Explanation): Error =>
  invalid(
    `${method} of this input takes ${evaluations} evaluations of the model, and \`skerry_explain_evaluations\` allows ${maxEvaluations}; allow more, explain fewer rows, or ${
      method === "occlusion" ? "give a larger `skerry_explain_window`" : "give fewer `skerry_explain_samples`"
    }`,
  );

function numericRows({ data, shape }: Tensor): readonly NumericRow[] {
  const rows = shape[0] ?? 0;
  const width = rows === 0 ? 0 : data.length / rows;
  return Array.from({ length: rows }, (_, r) => asNumeric(data).subarray(r * width, (r + 1) * width));
}

/** The signature allows no other datatypes. */
function asNumeric(data: TensorData): NumericRow {
  if (
    Array.isArray(data) ||
    data instanceof BigInt64Array ||
    data instanceof BigUint64Array ||
    data instanceof Float16Array
  )
    throw invalid("the input has a datatype that cannot be explained; explain one of numbers");
  return data;
}

function variantsOf(of: {
  readonly input: Tensor;
  readonly row: NumericRow;
  readonly plan: ExplanationPlan;
  readonly from: number;
  readonly count: number;
}): Tensor {
  const { input, row, plan, from, count } = of;
  const { name, datatype, shape } = input;
  if (datatype === "BYTES") throw invalid(`input "${name}" is BYTES, which cannot be explained`);
  const data = asNumeric(zeroNumbers(datatype, count * row.length));
  for (let i = 0; i < count; i += 1) {
    const into = data.subarray(i * row.length, (i + 1) * row.length);
    into.set(row);
    plan.write(from + i, into);
  }
  return { name, datatype, shape: [count, ...shape.slice(1)], data };
}

/** Row `r` of another input, for each variant. One without rows of its own stays as it is. */
function repeated(
  tensor: Tensor,
  r: number,
  { rows, count }: { readonly rows: number; readonly count: number },
): Tensor {
  const { shape, data } = tensor;
  if (shape[0] !== rows) return tensor;
  const width = data.length / rows;
  if (Array.isArray(data)) {
    const row = data.slice(r * width, (r + 1) * width);
    return { ...tensor, shape: [count, ...shape.slice(1)], data: Array.from({ length: count }, () => row).flat() };
  }
  if (tensor.datatype === "BYTES") return tensor; // its data is an array
  const all = zeroNumbers(tensor.datatype, width * count);
  const bytes = new Uint8Array(all.buffer);
  const row = new Uint8Array(
    data.buffer,
    data.byteOffset + r * width * data.BYTES_PER_ELEMENT,
    width * data.BYTES_PER_ELEMENT,
  );
  for (let i = 0; i < count; i += 1) bytes.set(row, i * row.byteLength);
  return { ...tensor, shape: [count, ...shape.slice(1)], data: all };
}
