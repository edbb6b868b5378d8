import { parseCsv } from "../../../../edge-node/model-host/pipeline/csv.ts";
import { realFft } from "../../../../edge-node/model-host/pipeline/fft.ts";
import { STEP_KINDS } from "../../../../shared/pipeline/registry.ts";
import type { StreamMemory } from "../../../../shared/pipeline/stream/stream-memory.ts";
import type { Column, Value, ValueOf, ValueType } from "../../../../shared/pipeline/values.ts";

const unused = (): never => {
  throw new Error("no picture is decoded here");
};
/** Those that need no library of pictures or texts. */
export const TOOLS = { decodeJpeg: unused, decodePng: unused, parseCsv, realFft, openTokenizer: unused };

/** What a step makes of a value. `type`: where the value does not say it. */
export function valueOf(name: string, params: object, value: Value, type: ValueType = typeOf(value)): Value {
  return stepOf(name, params, type)(value);
}

/** A step that is asked once and again. */
export function stepOf(name: string, params: object, type: ValueType): (value: Value, memory?: StreamMemory) => Value {
  const step = STEP_KINDS.get(name)?.with(params);
  if (step === undefined) throw new Error(`there is no step ${name}`);
  step.check(type);
  const run = step.build(type, TOOLS);
  return (value, memory) => run(value, memory?.at(name));
}

function typeOf(value: Value): ValueType {
  switch (value.kind) {
    case "bytes":
    case "decision":
      return { kind: value.kind };
    case "pictures":
      return { kind: "pictures", channels: value.pictures[0]?.channels ?? 1 };
    case "signals": {
      const samples = value.signals[0]?.length;
      return { kind: "signals", sampleRate: 8_000, ...(samples !== undefined && { samples }) };
    }
    case "table": {
      const types = [...value.columns].map(([name, column]) => [
        name,
        column instanceof Float64Array ? ("number" as const) : ("text" as const),
      ]);
      return { kind: "table", columns: Object.fromEntries(types) };
    }
    case "tensors":
      return { kind: "tensors", tensors: Object.fromEntries(value.tensors) };
    case "tensor":
      return { kind: "tensor", datatype: value.datatype, shape: value.shape };
  }
}

export const tableOf = (
  columns: Readonly<Record<string, readonly number[] | readonly string[]>>,
): ValueOf<"table"> => ({
  kind: "table",
  rows: Object.values(columns)[0]?.length ?? 0,
  columns: new Map(
    Object.entries(columns).map(([name, values]): [string, Column] => [
      name,
      values.every((value) => typeof value === "number") ? Float64Array.from(values) : values.map(String),
    ]),
  ),
});

/** Columns as plain arrays. */
export const columnsOf = (value: Value): Readonly<Record<string, readonly unknown[]>> =>
  value.kind === "table" ? Object.fromEntries([...value.columns].map(([name, column]) => [name, [...column]])) : {};

export const bytes = (...texts: readonly string[]): Value => ({
  kind: "bytes",
  elements: texts.map((text) => new TextEncoder().encode(text)),
});
