import type { TensorSpec } from "../../../../shared/protocol/model-files/manifest.ts";
import { quote } from "../inspection-refused.ts";

/**
 * The first tensor of a variant that is not what the reference has under its name, as a sentence that names both; undefined
 * when callers cannot tell them apart. The order does not matter.
 */
export function signatureFault(
  kind: "input" | "output",
  variant: readonly TensorSpec[],
  reference: readonly TensorSpec[],
): string | undefined {
  for (const wanted of reference) {
    const found = variant.find(({ name }) => name === wanted.name);
    if (found === undefined)
      return `it has no ${kind} ${quote(wanted.name)}, which the reference has (${typeOf(wanted)})`;
    if (typeOf(found) === typeOf(wanted)) continue;
    const isHalf = found.datatype === "FP16" && wanted.datatype === "FP32";
    const fix = isHalf
      ? "convert it with its inputs and outputs kept in FP32 (keep_io_types=True)"
      : "export it with the inputs and outputs of the reference";
    return `${kind} ${quote(wanted.name)} is ${typeOf(found)}, and of the reference ${typeOf(wanted)}: ${fix}`;
  }
  const more = variant.find(({ name }) => !reference.some((wanted) => wanted.name === name));
  return more && `it has the ${kind} ${quote(more.name)} (${typeOf(more)}), which the reference has not`;
}

const typeOf = ({ datatype, shape }: TensorSpec): string => `${datatype} [${shape.join(", ")}]`;
