import type { Datatype, TensorData } from "../inference/tensors/datatypes.ts";
import { shapeText } from "../inference/tensors/shape.ts";

/** What passes between the steps of a pipeline. A type is known when the pipeline is published, a value when a request runs. */

/** Samples of one picture, 8 bits each: row by row, the channels of a pixel side by side. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

export type ColumnType = "number" | "text";
/** A number that is missing is NaN; a text that is missing is the empty one. */
export type Column = Float64Array | readonly string[];

interface TensorType {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Names of the columns, where the model says them. */
  readonly classes?: readonly string[] | undefined;
}

interface TensorValue {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

interface Kinds {
  /** Elements of a raw input, as they came. */
  bytes: {
    readonly type: unknown;
    readonly value: { readonly elements: readonly Uint8Array[] };
  };
  /** One picture for each element. Without a size, each has its own. */
  pictures: {
    readonly type: { readonly channels: number; readonly width?: number; readonly height?: number };
    readonly value: { readonly pictures: readonly Picture[] };
  };
  /** One channel of sound for each element, −1 to 1. Without a length, each has its own. */
  signals: {
    readonly type: { readonly sampleRate: number; readonly samples?: number };
    readonly value: { readonly signals: readonly Float32Array[] };
  };
  /** Rows with named columns. */
  table: {
    readonly type: { readonly columns: Readonly<Record<string, ColumnType>> };
    readonly value: { readonly rows: number; readonly columns: ReadonlyMap<string, Column> };
  };
  /** −1 in a type's shape: any length. */
  tensor: {
    readonly type: TensorType;
    readonly value: TensorValue;
  };
  /** Several tensors by name, each a value of its own for what follows. */
  tensors: {
    readonly type: { readonly tensors: Readonly<Record<string, TensorType>> };
    readonly value: { readonly tensors: ReadonlyMap<string, TensorValue> };
  };
  /** One label and how sure it is for each row. */
  decision: {
    readonly type: unknown;
    readonly value: { readonly labels: readonly string[]; readonly confidence: Float32Array };
  };
}

export type Kind = keyof Kinds;
export type ValueType = { [Each in Kind]: { readonly kind: Each } & Kinds[Each]["type"] }[Kind];
export type Value = { [Each in Kind]: { readonly kind: Each } & Kinds[Each]["value"] }[Kind];
export type TypeOf<K extends Kind> = Extract<ValueType, { readonly kind: K }>;
export type ValueOf<K extends Kind> = Extract<Value, { readonly kind: K }>;

/** A type as a person reads it: `FP32 [any, 1, 28, 28]`, `pictures of 28 × 28 with 1 channel`. */
export function typeText(type: ValueType): string {
  switch (type.kind) {
    case "bytes":
      return "bytes";
    case "pictures": {
      const size =
        type.width === undefined || type.height === undefined ? "any size" : `${type.width} × ${type.height}`;
      return `pictures of ${size} with ${type.channels} channel${type.channels === 1 ? "" : "s"}`;
    }
    case "signals":
      return `sound at ${type.sampleRate} Hz`;
    case "table":
      return `a table with the columns ${Object.keys(type.columns).join(", ")}`;
    case "tensor":
      return `${type.datatype} ${shapeText(type.shape)}`;
    case "tensors":
      return `the tensors ${Object.keys(type.tensors).join(", ")}`;
    case "decision":
      return "a decision";
  }
}
