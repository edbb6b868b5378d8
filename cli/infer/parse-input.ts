import { EXIT } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import type { TensorSpec } from "../../shared/protocol/model-files/manifest.ts";

/** One `--input name=file.json` or `--input name=@file`. */
export interface InputSource {
  readonly name: string;
  readonly file: string;
  /** Raw little-endian bytes instead of JSON. */
  readonly isBinary: boolean;
}

export function parseInputSource(text: string): InputSource {
  const at = text.indexOf("=");
  const rest = text.slice(at + 1);
  const isBinary = rest.startsWith("@");
  const file = isBinary ? rest.slice(1) : rest;
  if (at <= 0 || file === "") throw usageFailure(`--input ${text}: give it as name=file.json or name=@file`);
  return { name: text.slice(0, at), file, isBinary };
}

/** Bytes of one element. Those of BYTES have no fixed length. */
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  INT8: 1,
  UINT8: 1,
  INT16: 2,
  UINT16: 2,
  FP16: 2,
  BF16: 2,
  INT32: 4,
  UINT32: 4,
  FP32: 4,
  INT64: 8,
  UINT64: 8,
  FP64: 8,
};

/** Shape of raw bytes: that of the model's metadata, its one variable dimension derived from the length. Those of BYTES are one element. */
export function shapeOfBytes(spec: TensorSpec, byteLength: number): readonly number[] {
  if (spec.datatype === "BYTES") return fillShape(spec, 1);
  const size = Object.hasOwn(ELEMENT_BYTES, spec.datatype) ? ELEMENT_BYTES[spec.datatype] : undefined;
  if (size === undefined) throw unfit(spec, `raw bytes cannot stand for the datatype ${spec.datatype}`);
  if (byteLength % size !== 0)
    throw unfit(spec, `${byteLength} bytes are no whole number of ${spec.datatype} elements`);
  return fillShape(spec, byteLength / size);
}

/** Shape of a JSON array: its own when it is nested, derived from the count when it is flat. */
export function shapeOfData(spec: TensorSpec, data: readonly unknown[]): readonly number[] {
  const own = nestedShape(data);
  return own.length === spec.shape.length
    ? own
    : fillShape(
        spec,
        own.reduce((product, size) => product * size, 1),
      );
}

function nestedShape(data: unknown): readonly number[] {
  return Array.isArray(data) ? [data.length, ...(data.length > 0 ? nestedShape(data[0]) : [])] : [];
}

function fillShape(spec: TensorSpec, elements: number): readonly number[] {
  const known = spec.shape.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  const open = spec.shape.length - spec.shape.filter((size) => size !== -1).length;
  if (open === 0 && known === elements) return spec.shape;
  const derived = elements / known;
  if (open === 1 && Number.isInteger(derived) && derived > 0)
    return spec.shape.map((size) => (size === -1 ? derived : size));
  throw unfit(
    spec,
    `${elements} elements do not fill the shape [${spec.shape.map((size) => (size === -1 ? "any" : size)).join(", ")}]`,
  );
}

function unfit(spec: TensorSpec, why: string): CliFailure {
  return new CliFailure(EXIT.error, {
    what: `the input "${spec.name}" does not fit the model`,
    why: [why],
    fix: "give a whole request with --file, where datatype and shape are yours to write",
  });
}
