import { formatDuration } from "../format.ts";
import { ofNodeAlone } from "../candidate.ts";
import type { Filter } from "./filter.ts";

/** How long a node is left alone with a version that failed on it, in ms. */
export const FAILURE_BACKOFF_MS = 15 * 60_000;

/** The same version did not just fail here. */
export const noRecentFailure: Filter = {
  code: "no-recent-failure",
  keyOf: ofNodeAlone,
  refuse({ node }, { version, now }, own) {
    const failed = own.find(
      (placement) =>
        placement.model === version.model && placement.version === version.version && placement.state === "failed",
    );
    if (!failed) return undefined;
    const leftMs = failed.stateSince + FAILURE_BACKOFF_MS - now;
    if (leftMs <= 0) return undefined;
    const code = failed.failure?.code ?? "unknown";
    const cause = `${version.model}:${version.version} failed on ${node.name} (${code})`;
    return { verdict: "not now", sentence: `${cause}; retry in ${formatDuration(leftMs)}`, cause };
  },
};
