import { z } from "zod";
import { labelMap } from "../../shared/api/v1/common.ts";
import { decode } from "../api/client.ts";
import { usageFailure } from "../failure.ts";
import { isMachineFormat, printRaw } from "../output/format.ts";
import type { CommandContext } from "../run.ts";

const labelled = z.object({ labels: labelMap });

/** `… label NAME a=b c-`: sets a, removes c, leaves the others. Refused when somebody changes the object meanwhile. */
export async function changeLabels(
  run: CommandContext,
  { kind, name }: { readonly kind: "models" | "nodes"; readonly name: string },
  changes: readonly string[],
): Promise<void> {
  const path = `/api/v1/${kind}/${encodeURIComponent(name)}`;
  const api = await run.api();
  const { body: before, headers } = await api.get(path);
  const labels = new Map(Object.entries(decode(labelled, before, name).labels));
  for (const change of changes) apply(labels, change);
  const { body } = await api.patch(path, { labels: Object.fromEntries(labels) }, headers.get("etag"));
  if (isMachineFormat(run.globals.format)) await printRaw(run.output, run.globals.format, body);
  const list = [...labels].map(([key, value]) => `${key}=${value}`).join(" ");
  run.output.say(list === "" ? `${name} has no labels now.` : `${name} has the labels ${list}`);
  run.output.next(kind === "nodes" ? `nodes get ${name}` : `models get ${name}`);
}

function apply(labels: Map<string, string>, change: string): void {
  const [, key = "", value] = /^([^=]+?)(?:=(.*)|-)$/s.exec(change) ?? [];
  if (key === "")
    throw usageFailure(`"${change}" is no change of a label`, "write NAME=VALUE to set it, NAME- to remove it");
  if (value === undefined) labels.delete(key);
  else labels.set(key, value);
}
