import { isGivenUp, MAX_LOAD_FAILURES } from "../../fleet/versions/version-history.ts";
import { attemptOn } from "../needs/attempt.ts";
import { formatDuration } from "../format.ts";
import { ofNodeAlone } from "../candidates/candidate.ts";
import type { Filter } from "./filter.ts";

/** How long a node is left alone with a version that failed on it, in ms. */
export const FAILURE_BACKOFF_MS = 15 * 60_000;

/** The same version did not just fail here, nor to load three times in a row. */
export const noRecentFailure: Filter = {
  code: "no-recent-failure",
  keyOf: ofNodeAlone,
  isOfOwn: true,
  refuse({ node }, { version, deployment, memMiB, now }, own) {
    const name = `${version.model}:${version.version}`;
    if (node.history !== undefined && isGivenUp(node, version, attemptOn(node, memMiB)))
      return {
        verdict: "never",
        sentence: `${name} failed to load on ${node.name} ${MAX_LOAD_FAILURES} times in a row; ${untilWhat(deployment.name)}`,
      };
    const failed = own.find(
      (placement) =>
        placement.model === version.model && placement.version === version.version && placement.state === "failed",
    );
    if (!failed) return undefined;
    const leftMs = failed.stateSince + FAILURE_BACKOFF_MS - now;
    if (leftMs <= 0) return undefined;
    const code = failed.failure?.code ?? "unknown";
    const cause = `${name} failed on ${node.name} (${code})`;
    return { verdict: "not now", sentence: `${cause}; retry in ${formatDuration(leftMs)}`, cause };
  },
  wouldLift: (_candidate, { deployment }) => `retry it: skerry deployments retry ${deployment.name}`,
};

/** What ends the wait after the last failure. */
export const untilWhat = (deployment: string): string =>
  `it is tried there again with another memory limit, agent or runtime, or by \`skerry deployments retry ${deployment}\``;
