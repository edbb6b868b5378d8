import { ATTRIBUTE_TYPE, FLOAT, IR_VERSION, ModelProto, OPSET_VERSION } from "../../examples/digits/onnx-proto.ts";

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
