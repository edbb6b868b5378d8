import type { NodePlacement } from "../../../shared/api/v1/nodes/node-status.ts";
import { printList, type View } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import { formatAge, formatProgress } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { type NodeAddress, nodeApi, readStatus } from "./node-address.ts";

function stateText({ state, progress }: NodePlacement, paint: Style): string {
  if (state === "ready") return paint.good(state);
  if (state === "failed") return paint.bad(state);
  return paint.warn(progress === null || progress.total === 0 ? state : `${state} ${formatProgress(progress)}`);
}

const whyText = ({ detail, serves }: NodePlacement): string =>
  [detail ?? "", serves ? "" : "kept here, not asked to serve"].filter((text) => text !== "").join("; ");

type Load = NonNullable<NodePlacement["load"]>;
const figure = (header: string, of: (load: Load) => string | number, wide = false) =>
  ({
    header,
    value: ({ load }: NodePlacement) => (load === null ? "" : String(of(load))),
    align: "right",
    ...(wide && { wide }),
  }) as const;

const view: View<NodePlacement> = {
  name: ({ model, version }) => `${model}:${version.split(" ", 1)[0]}`,
  columns: [
    { header: "MODEL", value: ({ model, version }) => `${model}:${version}` },
    { header: "DEPLOYMENT", value: ({ deployment }) => deployment },
    { header: "STATE", value: stateText },
    { header: "SINCE", value: ({ stateAgeMs }) => formatAge(stateAgeMs) },
    figure("IN FLIGHT", ({ inFlight }) => inFlight),
    figure("QUEUED", ({ queued }) => queued, true),
    figure("DONE", ({ done }) => done),
    figure("FAILED", ({ failed }) => failed),
    figure("P95 MS", ({ done, p95Ms }) => (done === 0 ? "" : p95Ms.toFixed(1))),
    figure("MEMORY", ({ rssMiB }) => (rssMiB === 0 ? "" : `${rssMiB} MiB`)),
    { header: "HOST", value: ({ host }) => host ?? "", wide: true },
    { header: "WHY", value: whyText },
  ],
};

/** `skerry edge models`: what a node holds and how it does, as the node itself says. */
export async function edgeModels(run: CommandContext, address: NodeAddress): Promise<void> {
  const { raw, status } = await readStatus(await nodeApi(run, address));
  await printList({
    output: run.output,
    format: run.globals.format,
    raw,
    rows: status.placements,
    view,
    empty: `${status.name} holds no model.`,
  });
}
