import type { TensorSpec } from "../../../../shared/protocol/model-files/manifest.ts";
import { MAX_DIMENSIONS, MAX_TENSOR_NAME } from "./limits.ts";
import { datatypeOf } from "./datatypes.ts";
import { quote, InspectionRefused } from "../inspection-refused.ts";
import type { WireReader } from "./wire-reader.ts";

/** TypeProto's kinds of value that are no dense tensor. */
const OTHER_KINDS = new Map([
  [4, "sequence"],
  [5, "map"],
  [7, "opaque"],
  [8, "sparse tensor"],
  [9, "optional"],
]);

/** A graph's input or output as the file declares it. */
export interface DeclaredValue {
  readonly name: string;
  /** What it holds; undefined when the file does not say. */
  readonly type: DeclaredType | undefined;
}

interface DeclaredType {
  /** `tensor`, or the kind that is declared instead. */
  readonly kind: string;
  /** Number of `TensorProto.DataType`. */
  readonly datatype: number;
  /** −1 for a symbolic or unknown length; undefined when not even the rank is known. */
  readonly shape: readonly number[] | undefined;
}

/** Reads a ValueInfoProto that ends at `end`. */
export function readValue(reader: WireReader, end: number): DeclaredValue {
  let name = "";
  let type: DeclaredType | undefined;
  while (reader.next(end)) {
    if (reader.field === 1) name = reader.text("a tensor's name");
    else if (reader.field === 2) {
      if (type) throw new InspectionRefused(`tensor ${quote(name)} has two types`);
      type = skimType(reader, reader.enter("a tensor's type"));
    } else if (reader.field === 3) reader.skipText("a tensor's doc_string");
    else reader.skip();
  }
  return { name, type };
}

function skimType(reader: WireReader, end: number): DeclaredType | undefined {
  let type: DeclaredType | undefined;
  while (reader.next(end)) {
    const other = OTHER_KINDS.get(reader.field);
    if (reader.field !== 1 && other === undefined) {
      reader.skip();
      continue;
    }
    // Of two kinds a parser keeps the last, or merges them: no exporter writes that.
    if (type) throw new InspectionRefused("a tensor has two types");
    if (other === undefined) type = skimTensorType(reader, reader.enter("a tensor's type"));
    else {
      reader.skip();
      type = { kind: other, datatype: 0, shape: undefined };
    }
  }
  return type;
}

function skimTensorType(reader: WireReader, end: number): DeclaredType {
  let datatype = 0;
  let shape: number[] | undefined;
  while (reader.next(end)) {
    if (reader.field === 1) datatype = reader.integer("a tensor's datatype");
    else if (reader.field === 2) {
      if (shape) throw new InspectionRefused("a tensor has two shapes");
      shape = skimShape(reader, reader.enter("a tensor's shape"));
    } else reader.skip();
  }
  return { kind: "tensor", datatype, shape };
}

function skimShape(reader: WireReader, end: number): number[] {
  const shape: number[] = [];
  while (reader.next(end)) {
    if (reader.field !== 1) reader.skip();
    else if (shape.length === MAX_DIMENSIONS)
      throw new InspectionRefused(`a tensor has more than ${MAX_DIMENSIONS} dimensions`);
    else shape.push(skimDimension(reader, reader.enter("a dimension")));
  }
  return shape;
}

/** A length, or −1: some exporters write a negative length where they know none. */
function skimDimension(reader: WireReader, end: number): number {
  let length = -1;
  while (reader.next(end)) {
    if (reader.field === 1) length = Math.max(-1, reader.integer("a dimension"));
    else {
      if (reader.field === 2) length = -1;
      reader.skip();
    }
  }
  if (!Number.isSafeInteger(length)) throw new InspectionRefused(`a dimension of ${length} is out of range`);
  return length;
}

/** The declared value as callers see it. Refuses what the Open Inference Protocol cannot carry. */
export function toTensorSpec({ name, type }: DeclaredValue, side: "input" | "output"): TensorSpec {
  const what = `${side} ${quote(name)}`;
  if (name === "") throw new InspectionRefused(`an ${side} has no name`);
  if (name.length > MAX_TENSOR_NAME)
    throw new InspectionRefused(
      `the name of ${what} has ${name.length} characters; at most ${MAX_TENSOR_NAME} are allowed`,
    );
  if (/[\p{Cc}\p{Cs}]/u.test(name)) throw new InspectionRefused(`the name of ${what} holds control characters`);
  if (!type) throw new InspectionRefused(`${what} has no type`);
  if (type.kind !== "tensor")
    throw new InspectionRefused(`${what} is ${article(type.kind)}; only tensors can be served${wayOut(type.kind)}`);
  const datatype = datatypeOf(type.datatype);
  if (!datatype) throw new InspectionRefused(`${what} has the unknown datatype ${type.datatype}`);
  if (datatype.oip === undefined)
    throw new InspectionRefused(
      `${what} has datatype ${datatype.onnx}, which the Open Inference Protocol does not know`,
    );
  if (datatype.oip === "BF16")
    throw new InspectionRefused(
      `${what} has datatype BFLOAT16, which the runtime cannot take or give: export it with FLOAT there, for example after model.float()`,
    );
  return { name, datatype: datatype.oip, shape: shapeOf(type.shape, what, side) };
}

/**
 * Exporters often leave an output's shape out, so one of unknown rank is shown as one variable dimension. Requests are
 * checked against the inputs: there the rank must be known.
 */
function shapeOf(shape: readonly number[] | undefined, what: string, side: "input" | "output"): number[] {
  if (shape) return [...shape];
  if (side === "output") return [-1];
  throw new InspectionRefused(`${what} has no shape: export it with one, variable dimensions by name`);
}

/** The exporters of classifiers write sequences of maps unless told otherwise; a final ZipMap is cut, others are not. */
const wayOut = (kind: string): string =>
  kind === "sequence" || kind === "map"
    ? ": export a classifier with tensors (skl2onnx: options={'zipmap': False}; onnxmltools: zipmap=False)"
    : "";

const article = (kind: string): string => (/^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`);
