import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  DATATYPES,
  type Datatype,
  type Tensor,
  type TensorData,
} from "../../../../shared/inference/tensors/datatypes.ts";
import { decodeRequest, encodeRequest } from "../../../../shared/inference/request.ts";
import { decodeResponse, encodeResponse } from "../../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { refusal } from "./refusal.ts";

/** Any row of elements of a datatype. Floats are finite when JSON must hold them. */
const ELEMENTS: Readonly<Record<Datatype, (isJson: boolean, length: number) => fc.Arbitrary<TensorData>>> = {
  BOOL: (_, length) => row(fc.integer({ min: 0, max: 1 }), length).map((values) => Uint8Array.from(values)),
  INT8: (_, length) => fc.int8Array(exactly(length)),
  UINT8: (_, length) => fc.uint8Array(exactly(length)),
  INT16: (_, length) => fc.int16Array(exactly(length)),
  UINT16: (_, length) => fc.uint16Array(exactly(length)),
  INT32: (_, length) => fc.int32Array(exactly(length)),
  UINT32: (_, length) => fc.uint32Array(exactly(length)),
  INT64: (_, length) => fc.bigInt64Array(exactly(length)),
  UINT64: (_, length) => fc.bigUint64Array(exactly(length)),
  FP16: (_, length) => fc.uint16Array(exactly(length)).map((bits) => new Float16Array(bits.buffer)),
  FP32: (isJson, length) => fc.float32Array({ ...exactly(length), noNaN: isJson, noDefaultInfinity: isJson }),
  FP64: (isJson, length) => fc.float64Array({ ...exactly(length), noNaN: isJson, noDefaultInfinity: isJson }),
  BYTES: (_, length) => row(fc.string({ unit: "grapheme" }), length),
};

const exactly = (length: number): { minLength: number; maxLength: number } => ({
  minLength: length,
  maxLength: length,
});
const row = <Value>(value: fc.Arbitrary<Value>, length: number): fc.Arbitrary<Value[]> =>
  fc.array(value, exactly(length));

interface Sent {
  readonly tensor: Tensor;
  readonly binary: boolean;
}

const sent = (name: string): fc.Arbitrary<Sent> =>
  fc
    .record({
      datatype: fc.constantFrom(...(Object.keys(DATATYPES) as Datatype[])),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      isBinary: fc.boolean(),
    })
    .chain(({ datatype, shape, isBinary }) => {
      const binary = isBinary || datatype === "FP16";
      const length = shape.reduce((product, size) => product * size, 1);
      return ELEMENTS[datatype](!binary, length).map((data) => ({ tensor: { name, datatype, shape, data }, binary }));
    });

const some = fc
  .integer({ min: 1, max: 3 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, i) => sent(`tensor ${i}`))));

/** Bits, because NaN and −0 are values too. JSON has one zero. */
const bitsOf = ({ data }: Tensor, { binary }: { binary: boolean }): unknown =>
  Array.isArray(data)
    ? data
    : binary
      ? [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]
      : [...data].map((value) => (value === 0 ? 0 : value));

describe("the codec", () => {
  it("decodes any request that it encoded, JSON and binary mixed", () => {
    fc.assert(
      fc.property(some, fc.option(fc.string(), { nil: undefined }), (inputs, id) => {
        const { body, headerLength } = encodeRequest({ ...(id !== undefined && { id }), inputs });
        const signature = { inputs: inputs.map(({ tensor }) => tensor), outputs: [] };
        // As it arrives: a view of a Buffer that holds other things before it.
        const arrived = Buffer.concat([Buffer.from("before"), body]).subarray("before".length);
        const decoded = decodeRequest(arrived, headerLength, signature);
        expect(decoded.id).toBe(id);
        inputs.forEach(({ tensor, binary }, i) => {
          const found = decoded.inputs[i];
          expect(found).toMatchObject({ name: tensor.name, datatype: tensor.datatype, shape: tensor.shape });
          if (found) expect(bitsOf(found, { binary })).toEqual(bitsOf(tensor, { binary }));
        });
      }),
    );
  });

  it("decodes any response that it encoded", () => {
    fc.assert(
      fc.property(some, (outputs) => {
        const { body, headerLength } = encodeResponse({ modelName: "m", modelVersion: "3", id: "a", outputs });
        const decoded = decodeResponse(body, headerLength);
        expect(decoded).toMatchObject({ modelName: "m", modelVersion: "3", id: "a" });
        outputs.forEach(({ tensor, binary }, i) => {
          const found = decoded.outputs[i];
          if (found) expect(bitsOf(found, { binary })).toEqual(bitsOf(tensor, { binary }));
          else throw new Error(`output ${i} is missing`);
        });
      }),
    );
  });

  it("answers any bytes with a request or a typed refusal, never with anything else", () => {
    const signature = {
      inputs: [{ name: "x", datatype: "FP32", shape: [-1] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [1] }],
    };
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.oneof(fc.nat(80), fc.constant(JSON_BODY)),
        (body, headerLength) => {
          try {
            decodeRequest(body, headerLength, signature);
          } catch (error) {
            expect(error).toMatchObject({ name: "SkerryError", code: "INVALID_REQUEST" });
          }
        },
      ),
    );
  });

  it("answers any JSON with a request or a typed refusal", () => {
    const signature = { inputs: [{ name: "x", datatype: "INT64", shape: [-1, 2] }], outputs: [] };
    const entry = fc.record(
      {
        name: fc.constant("x"),
        datatype: fc.constantFrom("INT64", "FP32", 3),
        shape: fc.jsonValue(),
        data: fc.jsonValue(),
        parameters: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.record(
          { inputs: fc.oneof(fc.array(entry), fc.jsonValue()), outputs: fc.jsonValue(), parameters: fc.jsonValue() },
          { requiredKeys: [] },
        ),
        (request) => {
          try {
            decodeRequest(new TextEncoder().encode(JSON.stringify(request)), JSON_BODY, signature);
          } catch (error) {
            expect(error).toMatchObject({ name: "SkerryError" });
          }
        },
      ),
    );
  });
});

describe("encodeResponse", () => {
  const tensor = (datatype: Datatype, data: TensorData): Tensor => ({
    name: "y",
    datatype,
    shape: [data.length],
    data,
  });
  const encode = (output: Tensor, { binary }: { binary: boolean }) =>
    encodeResponse({ modelName: "demo", modelVersion: "3", id: "a1", outputs: [{ tensor: output, binary }] });

  it("writes the example of the protocol page byte by byte", () => {
    const header =
      '{"model_name":"demo","model_version":"3","id":"a1","outputs":[{"name":"y","shape":[1],"datatype":"INT64","parameters":{"binary_data_size":8}}]}';
    const { body, headerLength } = encode(tensor("INT64", BigInt64Array.of(7n)), { binary: true });
    expect([headerLength, body.byteLength]).toEqual([143, 151]);
    expect(new TextDecoder().decode(body.subarray(0, headerLength))).toBe(header);
    expect([...body.subarray(headerLength)]).toEqual([7, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("leaves the id out when there was none", () => {
    const { body } = encodeResponse({ modelName: "m", modelVersion: "1", id: undefined, outputs: [] });
    expect(new TextDecoder().decode(body)).toBe('{"model_name":"m","model_version":"1","outputs":[]}');
  });

  it("writes every digit of 64-bit integers", () => {
    expect(
      new TextDecoder().decode(encode(tensor("INT64", BigInt64Array.of(2n ** 62n + 1n)), { binary: false }).body),
    ).toContain('"data":[4611686018427387905]');
  });

  it("writes BOOL as true and false", () => {
    expect(new TextDecoder().decode(encode(tensor("BOOL", Uint8Array.of(1, 0)), { binary: false }).body)).toContain(
      '"data":[true,false]',
    );
  });

  it.each([NaN, Infinity, -Infinity])("refuses %d in JSON and asks for binary", (value) => {
    const found = refusal(() => encode(tensor("FP32", Float32Array.of(1, value)), { binary: false }));
    expect(found).toMatchObject({ code: "INVALID_REQUEST", text: expect.stringContaining("binary_data_output") });
    expect(encode(tensor("FP32", Float32Array.of(value)), { binary: true }).headerLength).not.toBe(JSON_BODY);
  });

  it("refuses FP16 in JSON and asks for binary", () => {
    expect(refusal(() => encode(tensor("FP16", Float16Array.of(1)), { binary: false })).text).toContain(
      "FP16 has no JSON form",
    );
  });
});
