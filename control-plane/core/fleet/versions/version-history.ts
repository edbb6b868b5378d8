import type { PlacementFailure } from "../../../../shared/protocol/placement.ts";
import type { FleetNode, FleetVersion, PlacementAttempt, VersionHistory } from "../types.ts";

/** Failures that come again on the same node with the same agent and memory. Those of a disk, a transfer or an engine pass. */
export const LOAD_FAILURES: readonly PlacementFailure[] = [
  "INCOMPATIBLE",
  "LOAD_FAILED",
  "LOAD_TIMEOUT",
  "WARMUP_FAILED",
  "WARMUP_TIMEOUT",
  "OUT_OF_MEMORY",
  "HOST_CRASHED",
];

/** After so many in a row a version is not tried on the node again by itself. */
export const MAX_LOAD_FAILURES = 3;

const historyOf = (
  { history }: Pick<FleetNode, "history">,
  { model, version }: Pick<FleetVersion, "model" | "version">,
): VersionHistory | undefined => history?.find((each) => each.model === model && each.version === version);

/** Whether the version failed to load there so often that the same attempt is not made again. */
export function isGivenUp(
  node: Pick<FleetNode, "history">,
  version: Pick<FleetVersion, "model" | "version">,
  attempt: PlacementAttempt,
): boolean {
  const known = historyOf(node, version);
  if (known === undefined || known.loadFailures < MAX_LOAD_FAILURES) return false;
  return known.attempt?.agent === attempt.agent && known.attempt.memMiB === attempt.memMiB;
}
