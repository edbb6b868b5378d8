import type { ModelVersion, TensorChange, VersionDiff } from "../../../shared/api/v1/models.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";

/** What a caller of `from` meets in `to`. */
export function versionDiff(from: ModelVersion, to: ModelVersion): VersionDiff {
  const inputs = tensorChanges(from.inputs, to.inputs);
  const outputs = tensorChanges(from.outputs, to.outputs);
  const compatible = inputs.every(keepsRequests) && outputs.every(keepsAnswers);
  const changes = [
    ...inputs.map((change) => describe("input", change)),
    ...outputs.map((change) => describe("output", change)),
  ];
  return {
    model: from.model,
    from: from.version,
    to: to.version,
    sameFile: from.digest === to.digest,
    compatible,
    inputs,
    outputs,
    opset: { from: from.opset, to: to.opset },
    bytes: { from: from.bytes, to: to.bytes },
    sentence: sentenceFor({ from, to, changes, compatible }),
  };
}

function tensorChanges(from: readonly TensorSpec[], to: readonly TensorSpec[]): TensorChange[] {
  const after = new Map(to.map((tensor) => [tensor.name, tensor]));
  const before = new Set(from.map(({ name }) => name));
  const changes: TensorChange[] = [];
  for (const tensor of from) {
    const now = after.get(tensor.name);
    if (!now) changes.push({ name: tensor.name, change: "removed", from: tensor, to: null });
    else if (!isSame(tensor, now)) changes.push({ name: tensor.name, change: "changed", from: tensor, to: now });
  }
  for (const tensor of to)
    if (!before.has(tensor.name)) changes.push({ name: tensor.name, change: "added", from: null, to: tensor });
  return changes;
}

const isSame = (a: TensorSpec, b: TensorSpec): boolean =>
  a.datatype === b.datatype && String(a.shape) === String(b.shape);

/** A request is a list of exactly the inputs: only a shape that takes more than before does no harm. */
const keepsRequests = ({ from, to }: TensorChange): boolean =>
  from !== null && to !== null && from.datatype === to.datatype && covers(to.shape, from.shape);

/** A caller reads the outputs it knows: new ones do no harm, narrower shapes neither. */
const keepsAnswers = ({ from, to }: TensorChange): boolean =>
  from === null || (to !== null && from.datatype === to.datatype && covers(from.shape, to.shape));

/** Whether every length that `narrow` allows is allowed by `wide`. */
const covers = (wide: readonly number[], narrow: readonly number[]): boolean =>
  wide.length === narrow.length && wide.every((length, at) => length === -1 || length === narrow[at]);

function describe(side: "input" | "output", { name, change, from, to }: TensorChange): string {
  if (change !== "changed") return `${side} ${name} ${change}`;
  return `${side} ${name} ${from ? text(from) : ""} → ${to ? text(to) : ""}`;
}

const text = ({ datatype, shape }: TensorSpec): string => `${datatype}[${shape.join(",")}]`;

function sentenceFor({
  from,
  to,
  changes,
  compatible,
}: {
  from: ModelVersion;
  to: ModelVersion;
  changes: readonly string[];
  compatible: boolean;
}): string {
  const names = `${from.model}:${from.version} and ${to.model}:${to.version}`;
  if (from.digest === to.digest) return `${names} are the same file`;
  if (changes.length === 0) return `${names} have the same signature`;
  return `${changes.join("; ")}: callers of ${from.version} ${compatible ? "can use" : "break on"} ${to.version}`;
}
