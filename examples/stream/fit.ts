import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FLOAT, IR_VERSION, ModelProto, OPSET_VERSION } from "../digits/onnx-proto.ts";
import { Machine, type Reading } from "./machine.ts";

/**
 * Fits the model of a sound machine and writes `anomaly.onnx`: the distance of a window from what 4,000 sound windows were like,
 * in deviations, where those that vary together count together (Mahalanobis, 1936). No window with a fault is needed for it.
 *
 *   npm run -s example:fit
 */
const WINDOWS = 4_000;

/** As the pipeline aggregates a window. */
function features(window: readonly Reading[]): readonly number[] {
  const vibration = window.map((each) => each.vibration).toSorted((a, b) => a - b);
  const mean = meanOf(vibration);
  const std = Math.sqrt(meanOf(vibration.map((value) => (value - mean) ** 2)));
  return [mean, std, vibration.at(-1) ?? 0, meanOf(window.map(({ temperature }) => temperature))];
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Lower triangle L with L·Lᵀ = `matrix`. */
function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  const lower = matrix.map((row) => row.map(() => 0));
  for (const [i, row] of matrix.entries())
    for (let j = 0; j <= i; j += 1) {
      const rest = (row[j] ?? 0) - sumTo(j, (k) => (lower[i]?.[k] ?? 0) * (lower[j]?.[k] ?? 0));
      lower[i]![j] = i === j ? Math.sqrt(rest) : rest / (lower[j]?.[j] ?? 1);
    }
  return lower;
}

/** The inverse of a lower triangle. */
function inverted(lower: readonly (readonly number[])[]): number[][] {
  const inverse = lower.map((row) => row.map(() => 0));
  for (const [i, row] of lower.entries())
    for (let j = 0; j <= i; j += 1) {
      const rest = (i === j ? 1 : 0) - sumTo(i, (k) => (row[k] ?? 0) * (inverse[k]?.[j] ?? 0));
      inverse[i]![j] = rest / (row[i] ?? 1);
    }
  return inverse;
}

const sumTo = (end: number, of: (k: number) => number): number => {
  let sum = 0;
  for (let k = 0; k < end; k += 1) sum += of(k);
  return sum;
};

/** The graph: how far each row of [windows, 4] is from `means`, by `whitening`. */
export function anomalyModel(): Uint8Array {
  const machine = new Machine(1);
  const rows = Array.from({ length: WINDOWS }, () => features(machine.window(undefined)));
  const width = rows[0]?.length ?? 0;
  const means = Array.from({ length: width }, (_, j) => meanOf(rows.map((row) => row[j] ?? 0)));
  const centred = rows.map((row) => row.map((value, j) => value - (means[j] ?? 0)));
  const covariance = means.map((_, i) =>
    means.map((__, j) => meanOf(centred.map((row) => (row[i] ?? 0) * (row[j] ?? 0)))),
  );
  const inverse = inverted(cholesky(covariance));
  // Rows times this are inverse · row.
  const whitening = means.flatMap((_, i) => means.map((__, j) => inverse[j]?.[i] ?? 0));
  const tensor = (name: string, dims: readonly number[], values: readonly number[]) => ({
    name,
    dims,
    dataType: FLOAT,
    rawData: new Uint8Array(Float32Array.from(values).buffer),
  });
  const value = (name: string, columns: number) => ({
    name,
    type: { tensorType: { elemType: FLOAT, shape: { dim: [{ dimParam: "windows" }, { dimValue: columns }] } } },
  });
  const node = (opType: string, input: readonly string[], output: string) => ({
    name: output,
    opType,
    input,
    output: [output],
  });
  const message = ModelProto.fromObject({
    irVersion: IR_VERSION,
    producerName: "skerry-stream",
    opsetImport: [{ domain: "", version: OPSET_VERSION }],
    graph: {
      name: "anomaly",
      node: [
        node("Sub", ["features", "means"], "centred"),
        node("MatMul", ["centred", "whitening"], "white"),
        node("Mul", ["white", "white"], "squares"),
        node("MatMul", ["squares", "ones"], "sum"),
        node("Sqrt", ["sum"], "distance"),
      ],
      initializer: [
        tensor("means", [width], means),
        tensor("whitening", [width, width], whitening),
        tensor(
          "ones",
          [width, 1],
          Array.from({ length: width }, () => 1),
        ),
      ],
      input: [value("features", width)],
      output: [value("distance", 1)],
    },
  });
  return ModelProto.encode(message).finish();
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "anomaly.onnx"), anomalyModel());
