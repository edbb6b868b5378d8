import type { FleetNode } from "./types.ts";

/** A node says what it costs with this label, 0–1. */
const COST_LABEL = "skerry.dev/cost";

/** What using the node costs, 0–1: without the label an edge node is free, since the device exists anyway, and a cloud node is not. */
export function nodeCost({ labels, kind }: Pick<FleetNode, "labels" | "kind">): number {
  const label = labels[COST_LABEL];
  const labelled = Number(label);
  if (label !== undefined && Number.isFinite(labelled)) return labelled;
  return kind === "cloud" ? 1 : 0;
}
