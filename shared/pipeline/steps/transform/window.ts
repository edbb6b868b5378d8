import { z } from "zod";
import { checkNumbers } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import { columnNames, MAX_ROWS, need, numbersOf } from "../../tables/columns.ts";
import type { TypeOf } from "../../values.ts";

const rows = z.number().int().min(1).max(MAX_ROWS);
const params = z.strictObject({
  /** Rows of a window, and from the beginning of one to that of the next. */
  rows,
  step: rows,
  columns: columnNames,
});

/** Rows of a table in their order → FP32 [windows, rows, columns]. Rows behind the last whole window are left out. */
export const window = defineStep({
  name: "window",
  phase: "pre",
  takes: ["table"],
  params,
  check: (type, { rows: size, columns }): TypeOf<"tensor"> => {
    for (const name of columns) need(type, name, "number");
    return { kind: "tensor", datatype: "FP32", shape: [-1, size, columns.length] };
  },
  build:
    (_type, { rows: size, step, columns }) =>
    (table) => {
      const numbers = columns.map((name) => numbersOf(table, name));
      const count = table.rows < size ? 0 : 1 + Math.floor((table.rows - size) / step);
      const width = columns.length;
      checkNumbers(count * size * width);
      if (count === 0) throw new StepFault(`there are ${table.rows} rows, and a window has ${size}`);
      const data = Float32Array.from({ length: count * size * width }, (_, i) => {
        const row = Math.floor(i / (size * width)) * step + (Math.floor(i / width) % size);
        return numbers[i % width]?.[row] ?? Number.NaN;
      });
      return { kind: "tensor", datatype: "FP32", shape: [count, size, width], data };
    },
});
