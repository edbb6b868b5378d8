import { type Tensor, type TensorData, zeroNumbers } from "../../../../shared/inference/tensors/datatypes.ts";
import type { InferRequest } from "../../../../shared/inference/request.ts";

/** Requests as one run, and one run as answers. Pure; rows keep their bits, both ways. */

/** How many rows a request has: the first dimension that all its inputs share; undefined when it shares a run with nobody. */
export function rowsOf({ inputs }: Pick<InferRequest, "inputs">): number | undefined {
  const rows = inputs[0]?.shape[0];
  return rows !== undefined && rows > 0 && inputs.every(({ shape }) => shape[0] === rows) ? rows : undefined;
}

/** Requests with the same key fit into one run: rows of one size, the same outputs. Datatypes are the signature's. */
export function batchKey(inputs: readonly Tensor[], outputs: readonly string[]): string {
  const rowShapes = inputs.map(({ shape }) => shape.slice(1).join("x")).join("|");
  return `${rowShapes} ${JSON.stringify(outputs)}`;
}

/** The inputs of several requests, stacked along the first dimension: the one copy that batching costs. */
export function stack(requests: readonly (readonly Tensor[])[]): readonly Tensor[] {
  const [first = []] = requests;
  return first.map((tensor, i) =>
    stackOne(
      tensor,
      requests.flatMap((inputs) => inputs[i] ?? []),
    ),
  );
}

function stackOne({ name, datatype, shape }: Tensor, parts: readonly Tensor[]): Tensor {
  const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
  return { name, datatype, shape: [rows, ...shape.slice(1)], data: joined(datatype, parts) };
}

function joined(datatype: Tensor["datatype"], parts: readonly Tensor[]): TensorData {
  if (datatype === "BYTES") return parts.flatMap(({ data }) => (Array.isArray(data) ? data : []));
  const out = zeroNumbers(
    datatype,
    parts.reduce((sum, { data }) => sum + data.length, 0),
  );
  const bytes = new Uint8Array(out.buffer);
  let at = 0;
  for (const { data } of parts) {
    if (Array.isArray(data)) continue; // only BYTES are strings
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}

/**
 * The rows of each request out of the outputs of a shared run, as views. Undefined when an output has another number of
 * rows than went in: then nobody can tell whose they are.
 */
export function split(outputs: readonly Tensor[], rows: readonly number[]): readonly (readonly Tensor[])[] | undefined {
  const total = rows.reduce((sum, count) => sum + count, 0);
  if (outputs.some(({ shape }) => shape[0] !== total)) return undefined;
  let from = 0;
  return rows.map((count) => {
    const start = from;
    from += count;
    return outputs.map((output) => rowsBetween(output, { start, count, total }));
  });
}

function rowsBetween(
  { name, datatype, shape, data }: Tensor,
  { start, count, total }: { readonly start: number; readonly count: number; readonly total: number },
): Tensor {
  const width = data.length / total;
  const [from, to] = [start * width, (start + count) * width];
  return {
    name,
    datatype,
    shape: [count, ...shape.slice(1)],
    data: Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to),
  };
}
