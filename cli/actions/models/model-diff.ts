import { type TensorChange, versionDiff } from "../../../shared/api/v1/models.ts";
import { decode } from "../../api/client.ts";
import { parseModelReference, resolveVersion, versionPath } from "../../models/reference.ts";
import { printObject } from "../../output/format.ts";
import { formatBytes } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

/** `skerry models diff`: whether callers of one version can call another. */
export async function diffVersions(
  run: CommandContext,
  versions: { readonly model: string; readonly from: string; readonly to: string },
): Promise<void> {
  const api = await run.api();
  const { model } = versions;
  const from = await resolveVersion(api, parseModelReference(`${model}:${versions.from}`));
  const to = await resolveVersion(api, parseModelReference(`${model}:${versions.to}`));
  const { body } = await api.get(`${versionPath(model, from)}/diff/${to}`);
  const diff = decode(versionDiff, body, "a difference of versions");
  const { paint } = run.output;
  await printObject(run.output, run.globals.format, {
    raw: body,
    name: diff.compatible ? "compatible" : "incompatible",
    describe: () =>
      [
        diff.compatible ? paint.good(diff.sentence) : paint.warn(diff.sentence),
        ...diff.inputs.map((change) => changeLine("input", change)),
        ...diff.outputs.map((change) => changeLine("output", change)),
        `  size ${formatBytes(diff.bytes.from)} → ${formatBytes(diff.bytes.to)}, opset ${diff.opset.from ?? "?"} → ${diff.opset.to ?? "?"}`,
      ].join("\n"),
  });
}

function changeLine(side: string, { name, change, from, to }: TensorChange): string {
  const text = (tensor: TensorChange["from"]): string =>
    tensor === null ? "none" : `${tensor.datatype} [${tensor.shape.join(", ")}]`;
  return `  ${side} ${name} ${change}: ${text(from)} → ${text(to)}`;
}
