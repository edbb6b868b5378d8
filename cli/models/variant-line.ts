import type { VariantFacts } from "../../shared/protocol/model-files/variants.ts";
import { formatBytes } from "../output/units.ts";

/** `int8: model.int8.onnx (24 kB), decides as the reference in 99.2 % of 128 samples, largest difference 0.031`. */
export function variantLine({ name, main, bytes, accuracy }: VariantFacts): string {
  const head = `${name}: ${main} (${formatBytes(bytes)})`;
  if (accuracy === null) return head;
  const { samples, agreement, maxDifference } = accuracy;
  const of = `${samples} ${samples === 1 ? "sample" : "samples"}`;
  // Rounded down: 99.99 % is not all.
  const decides =
    agreement === null
      ? `compared on ${of}`
      : `decides as the reference in ${Math.floor(agreement * 1_000) / 10} % of ${of}`;
  return `${head}, ${decides}, largest difference ${Number(maxDifference.toPrecision(3))}`;
}
