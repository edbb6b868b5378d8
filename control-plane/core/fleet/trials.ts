import type { PlacementReport } from "../../../shared/protocol/messages.ts";
import { isEqual } from "./changes/equal.ts";
import type { FleetPlacement } from "./types.ts";

/** What a node found out of a placement when it started it, and what it holds it to. */
type Trials = Pick<FleetPlacement, "sharing" | "limitMiB" | "measuredMiB">;

/** What is known after `report`. A measurement outlives the host that made it; the rest is that of the present host. */
export const trialsAfter = (known: Trials, report: PlacementReport): Trials => ({
  sharing: report.sharing,
  limitMiB: report.limitMiB,
  measuredMiB: report.measuredMiB ?? known.measuredMiB,
});

/** Desired documents and the status of deployments depend on these. */
export const hasSameTrials = (a: Trials, b: Trials): boolean =>
  a.limitMiB === b.limitMiB && a.measuredMiB === b.measuredMiB && isEqual(a.sharing, b.sharing);
