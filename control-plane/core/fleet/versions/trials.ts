import type { PlacementReport } from "../../../../shared/protocol/messages/placement-report.ts";
import { isEqual } from "../changes/equal.ts";
import type { FleetPlacement } from "../types.ts";

/** What a node found out of a placement when it started it, and what it holds it to. */
type Trials = Pick<FleetPlacement, "sharing" | "limitMiB" | "measuredMiB" | "host">;

/**
 * What is known after `report`. A measurement outlives the host that made it, unless that was a shared one, where it is a
 * share, and the model has left it; the rest is that of the present host.
 */
export const trialsAfter = (known: Trials, report: PlacementReport): Trials => ({
  sharing: report.sharing,
  limitMiB: report.limitMiB,
  measuredMiB: report.measuredMiB ?? (hasLeftShared(known, report) ? undefined : known.measuredMiB),
  host: report.state === "ready" ? report.host : known.host,
});

const hasLeftShared = (known: Trials, { state, host }: PlacementReport): boolean =>
  state === "ready" && known.host !== undefined && host === undefined;

/** Desired documents and the status of deployments depend on these. */
export const hasSameTrials = (a: Trials, b: Trials): boolean =>
  a.limitMiB === b.limitMiB && a.measuredMiB === b.measuredMiB && a.host === b.host && isEqual(a.sharing, b.sharing);
