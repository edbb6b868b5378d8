import {
  FLOAT as FLOATS,
  field,
  message,
  onnx,
  tensorType,
  value,
} from "../../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";
import {
  ATTRIBUTE_TYPE,
  FLOAT,
  IR_VERSION,
  ModelProto,
  OPSET_VERSION,
} from "../../../../examples/digits/onnx-proto.ts";

const INT64 = 7;

/** The first `length` values of the table that `seed` makes. */
export function tableOf(length: number, seed: number): Float32Array<ArrayBuffer> {
  const table = new Float32Array(length);
  let state = seed >>> 0 || 1;
  for (let index = 0; index < length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    table[index] = (state >>> 0) / 2 ** 32;
  }
  return table;
}

/**
 * A model of about `mib` MiB that answers `table[index]`: one Gather over a table of floats that nothing compresses and
 * in which no two chunks are alike. `seed` makes another table. Input `index` INT64 [1], output `value` FP32 [1].
 */
export function largeModel(mib: number, seed: number): Uint8Array {
  const table = tableOf(mib * 262_144, seed);
  const { length } = table;
  const message = ModelProto.fromObject({
    irVersion: IR_VERSION,
    producerName: "skerry-test",
    opsetImport: [{ domain: "", version: OPSET_VERSION }],
    graph: {
      name: "table",
      node: [
        {
          input: ["table", "index"],
          output: ["value"],
          name: "value",
          opType: "Gather",
          attribute: [{ name: "axis", i: 0, type: ATTRIBUTE_TYPE.int }],
        },
      ],
      initializer: [{ dims: [length], dataType: FLOAT, name: "table", rawData: new Uint8Array(table.buffer) }],
      input: [{ name: "index", type: { tensorType: { elemType: INT64, shape: { dim: [{ dimValue: 1 }] } } } }],
      output: [{ name: "value", type: { tensorType: { elemType: FLOAT, shape: { dim: [{ dimValue: 1 }] } } } }],
    },
  });
  return ModelProto.encode(message).finish();
}

/** The bytes of `tableOf(length, seed)` in the order in which ONNX writes them: little-endian. */
const tableBytes = (length: number, seed: number): Uint8Array => new Uint8Array(tableOf(length, seed).buffer);

/**
 * The same model as a bundle of a small graph and two files of external data, each with half of the table. It answers
 * `tableOf(mib × 131,072, seed)[index]` followed by that of `seed + 1` at the same index: output `value` FP32 [2].
 */
export function largeBundle(mib: number, seed: number): Readonly<Record<string, Uint8Array>> {
  const length = mib * 131_072;
  const entry = (key: string, text: string): Uint8Array => field(13, message(field(1, key), field(2, text)));
  const initializer = (name: string, location: string): Uint8Array =>
    message(
      field(1, length),
      field(2, FLOATS),
      field(8, name),
      entry("location", location),
      entry("offset", "0"),
      entry("length", String(length * 4)),
      field(14, 1),
    );
  const gather = (table: string): Uint8Array =>
    message(field(1, table), field(1, "index"), field(2, `${table}-value`), field(4, "Gather"));
  const axis = message(field(1, "axis"), field(3, 0), field(20, ATTRIBUTE_TYPE.int));
  const concat = message(
    field(1, "one-value"),
    field(1, "two-value"),
    field(2, "value"),
    field(4, "Concat"),
    field(5, axis),
  );
  const graph = onnx({
    nodes: [gather("one"), gather("two"), concat],
    initializers: [initializer("one", "net.onnx.data"), initializer("two", "more/two.bin")],
    inputs: [value("index", tensorType(INT64, [1]))],
    outputs: [value("value", tensorType(FLOATS, [2]))],
  });
  return {
    "net.onnx": graph,
    "net.onnx.data": tableBytes(length, seed),
    "more/two.bin": tableBytes(length, seed + 1),
  };
}

/** The first output of an answer in JSON, whose digits are just enough to name the float. */
export async function floatsOf(answer: { json(): Promise<unknown> }): Promise<readonly number[]> {
  const { outputs } = (await answer.json()) as { readonly outputs: readonly { readonly data: readonly number[] }[] };
  return (outputs[0]?.data ?? []).map((value) => Math.fround(value));
}
