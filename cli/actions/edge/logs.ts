import type { NodeStatus } from "../../../shared/api/v1/nodes/node-status.ts";
import { printList, type View } from "../../output/format.ts";
import { formatAge } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { type NodeAddress, nodeApi, readStatus } from "./node-address.ts";

type Line = NodeStatus["errors"][number];

const view: View<Line> = {
  name: ({ msg }) => msg,
  columns: [
    { header: "AGE", value: ({ ageMs }) => formatAge(ageMs), align: "right" },
    { header: "LEVEL", value: ({ level }, paint) => (level === "error" ? paint.bad(level) : paint.warn(level)) },
    { header: "MESSAGE", value: ({ msg }) => msg },
  ],
};

/** `skerry edge logs`: the last warnings and errors of a node, the newest at the end. What the control plane saw of it: `skerry logs`. */
export async function edgeLogs(run: CommandContext, address: NodeAddress): Promise<void> {
  const { raw, status } = await readStatus(await nodeApi(run, address));
  await printList({
    output: run.output,
    format: run.globals.format,
    raw,
    rows: status.errors.toReversed(),
    view,
    empty: `${status.name} has had no warning and no error since it started ${formatAge(status.startedAgeMs)} ago.`,
  });
}
