import { z } from "zod";
import type { TensorData } from "../../../inference/tensors/datatypes.ts";
import { checkNumbers } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import { columnNames, need, numbersOf, textsOf } from "../../tables/columns.ts";
import type { TypeOf, ValueOf } from "../../values.ts";

const params = z.strictObject({
  /** In the order of the tensor. */
  names: columnNames,
  /** `BYTES` of columns of texts, the others of columns of numbers. */
  datatype: z.enum(["FP32", "FP64", "INT64", "BYTES"]).default("FP32"),
});

/** Columns of a table side by side → a tensor [rows, columns]. */
export const columns = defineStep({
  name: "columns",
  phase: "pre",
  takes: ["table"],
  params,
  check: (type, { names, datatype }): TypeOf<"tensor"> => {
    for (const name of names) need(type, name, datatype === "BYTES" ? "text" : "number");
    return { kind: "tensor", datatype, shape: [-1, names.length] };
  },
  build:
    (_type, { names, datatype }) =>
    (table) => {
      checkNumbers(table.rows * names.length);
      return { kind: "tensor", datatype, shape: [table.rows, names.length], data: dataOf(table, names, datatype) };
    },
});

function dataOf(
  table: ValueOf<"table">,
  names: readonly string[],
  datatype: z.infer<typeof params>["datatype"],
): TensorData {
  if (datatype === "BYTES") {
    const texts = names.map((name) => textsOf(table, name));
    return Array.from({ length: table.rows }, (_, row) => texts.map((column) => column[row] ?? "")).flat();
  }
  const numbers = names.map((name) => numbersOf(table, name));
  const at = (i: number): number => numbers[i % names.length]?.[Math.floor(i / names.length)] ?? Number.NaN;
  const length = table.rows * names.length;
  if (datatype === "FP32") return Float32Array.from({ length }, (_, i) => at(i));
  if (datatype === "FP64") return Float64Array.from({ length }, (_, i) => at(i));
  return BigInt64Array.from({ length }, (_, i) => {
    const value = at(i);
    if (!Number.isSafeInteger(value))
      throw new StepFault(
        `row ${Math.floor(i / names.length)}, column ${names[i % names.length]}: it is no whole number`,
      );
    return BigInt(value);
  });
}
