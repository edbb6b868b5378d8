import type { FleetPlacement, PlacementAttempt } from "../../fleet/types.ts";
import { isGivenUp } from "../../fleet/versions/version-history.ts";
import { attemptOn } from "../needs/attempt.ts";
import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";
import { fitsDisk } from "../filters/fits-disk.ts";
import { FAILURE_BACKOFF_MS } from "../filters/no-recent-failure.ts";
import { firstRefusal } from "../candidates/rank.ts";
import { formatDuration } from "../format.ts";
import { needOfPlacement } from "../needs/variant-need.ts";

/** Whether there is room on a disk is a figure of its load reports, which cause no plan: it is looked at this often, in ms. */
export const DISK_LOOK_MS = 60_000;

export interface Retry {
  readonly placement: FleetPlacement;
  readonly why: string;
  readonly attempt: PlacementAttempt;
}

/**
 * Whether a failed placement is tried again on its node now: when what the failed attempt depended on has changed, else
 * after 15 minutes, but after the third failed load in a row no more. Undefined: not now.
 */
export function retryOf(
  placement: FleetPlacement,
  candidate: Candidate | undefined,
  asked: PlacementRequest,
): Retry | undefined {
  const need = needOfPlacement(asked, placement);
  if (placement.state !== "failed" || candidate?.state !== "ready" || need.version.damage !== undefined)
    return undefined;
  const attempt = attemptOn(candidate.node, need.memMiB);
  const why = whyAgain(placement, { candidate, need, attempt });
  return why === undefined ? undefined : { placement, why, attempt };
}

function whyAgain(
  { stateSince, failure, attempt: failed }: FleetPlacement,
  { candidate, need, attempt }: { candidate: Candidate; need: PlacementRequest; attempt: PlacementAttempt },
): string | undefined {
  if (isGivenUp(candidate.node, need.version, attempt)) return undefined;
  const sinceMs = need.now - stateSince;
  if (sinceMs >= FAILURE_BACKOFF_MS) return `that is ${formatDuration(sinceMs)} ago`;
  if (failed && failed.agent !== attempt.agent) return `${candidate.node.name} runs ${attempt.agent} now`;
  if (failed && failed.memMiB !== attempt.memMiB) return `it may use ${attempt.memMiB} MiB now`;
  if (isOfDisk(failure) && sinceMs >= DISK_LOOK_MS && !firstRefusal([fitsDisk], candidate, need))
    return `${candidate.node.name} has room on its disk now`;
  return undefined;
}

const isOfDisk = (failure: FleetPlacement["failure"]): boolean =>
  failure?.code === "NO_SPACE" || failure?.code === "DISK_FULL";

/** When a failed placement may be due without a change that causes a plan, in ms. */
export const retryAt = ({ stateSince, failure }: FleetPlacement, now: number): number =>
  isOfDisk(failure) ? Math.max(stateSince, now) + DISK_LOOK_MS : stateSince + FAILURE_BACKOFF_MS;
