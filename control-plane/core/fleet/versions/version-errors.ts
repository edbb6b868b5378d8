import type { PlacementLoad } from "../../../../shared/protocol/messages/load-report.ts";
import type { FleetPlacement, VersionErrors } from "../types.ts";

/** What a node counted of a version counts half as much after so long, in ms. */
const HALF_LIFE_MS = 10 * 60_000;
/** Of fewer requests than this nothing is kept. */
const FORGOTTEN = 0.25;
/** Versions of one node that are kept, at most: it has as many placements. */
const MOST = 64;

/** How much of a count is left after `ms`. */
export const leftAfter = (ms: number): number => 0.5 ** (Math.max(0, ms) / HALF_LIFE_MS);

/** How requests for a version ended since the report before. */
interface Ended {
  readonly model: string;
  readonly version: number;
  readonly requests: number;
  readonly errors: number;
}

/**
 * What a node's load report says of requests that ended since the one before it, for each version that it holds. Its counts
 * are from its start: smaller ones are of a new start, and of a placement without an earlier report nothing is known.
 */
export function endedSince(
  before: readonly PlacementLoad[],
  report: readonly PlacementLoad[],
  placementOf: (id: string) => Pick<FleetPlacement, "model" | "version"> | undefined,
): readonly Ended[] {
  const known = new Map(before.map((load) => [load.placementId, load]));
  return report.flatMap(({ placementId, done, failed }) => {
    const [placement, last] = [placementOf(placementId), known.get(placementId)];
    if (!placement || !last) return [];
    const isAnew = done < last.done || failed < last.failed;
    const errors = isAnew ? failed : failed - last.failed;
    const requests = errors + (isAnew ? done : done - last.done);
    return requests === 0 ? [] : [{ model: placement.model, version: placement.version, requests, errors }];
  });
}

/** What is known after these requests ended by `at`; the same object when none did. */
export function errorsAfter(
  before: readonly VersionErrors[] | undefined,
  ended: readonly Ended[],
  at: number,
): readonly VersionErrors[] | undefined {
  if (ended.length === 0) return before;
  const kept = [...(before ?? [])];
  for (const { model, version, requests, errors } of ended) {
    const index = kept.findIndex((each) => each.model === model && each.version === version);
    const known = index < 0 ? undefined : kept[index];
    const left = known ? leftAfter(at - known.at) : 0;
    const after = {
      model,
      version,
      requests: left * (known?.requests ?? 0) + requests,
      errors: left * (known?.errors ?? 0) + errors,
      at,
      erredAt: errors > 0 ? at : known?.erredAt,
    };
    if (index < 0) kept.push(after);
    else kept[index] = after;
  }
  return kept
    .filter((each) => each.requests * leftAfter(at - each.at) >= FORGOTTEN)
    .toSorted((a, b) => b.at - a.at)
    .slice(0, MOST);
}
