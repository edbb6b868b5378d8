import { decodeRequest, type Signature } from "../../../../shared/inference/request.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";

export const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1, 2] },
    { name: "z", datatype: "INT64", shape: [1] },
  ],
};

export const bytesOf = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

export const decode = (value: unknown, signature = SIGNATURE) => decodeRequest(bytesOf(value), JSON_BODY, signature);

export const input = (over: object = {}): object => ({
  name: "x",
  datatype: "FP32",
  shape: [1, 2],
  data: [1, 2],
  ...over,
});

/** A request with one input of this datatype and a shape of one free dimension. */
export const one = (datatype: string, data: unknown, shape: readonly number[] = [1]): unknown =>
  decodeRequest(bytesOf({ inputs: [{ name: "x", datatype, shape, data }] }), JSON_BODY, {
    inputs: [{ name: "x", datatype, shape: shape.map(() => -1) }],
    outputs: [],
  }).inputs[0]?.data;
