import type { DesiredState } from "../../../shared/protocol/desired.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";

/**
 * Make before break across a change of the desired document: a placement that serves and is no longer wanted stays
 * until the deployment's next one is ready, or until nothing of that deployment is desired here any more.
 */

/** The placements to keep serving beside `next`. `before`: what was wanted or retained until now. `ready`: ids that serve. */
export function retainedAfter(
  before: readonly DesiredPlacement[],
  next: DesiredState,
  ready: ReadonlySet<string>,
): readonly DesiredPlacement[] {
  const serving = before.filter(({ placementId, want }) => want === "serve" && ready.has(placementId));
  return stillRetained(serving, next, ready).map(withoutAliases);
}

/** Aliases are the document's: nobody would take one back from a placement that is not in it. */
function withoutAliases({ aliases: _aliases, ...placement }: DesiredPlacement): DesiredPlacement {
  return placement as DesiredPlacement;
}

/** Those of `retained` that are needed yet. */
export function stillRetained(
  retained: readonly DesiredPlacement[],
  desired: DesiredState,
  ready: ReadonlySet<string>,
): readonly DesiredPlacement[] {
  return retained.filter((old) => {
    const successors = desired.placements.filter(
      ({ deployment, want }) => deployment === old.deployment && want === "serve",
    );
    // The document decides about the placements that it names: an older spec of one must not take its place.
    const isWantedAgain = desired.placements.some(
      ({ placementId, want, generation }) =>
        placementId === old.placementId && (want === "serve" || generation > old.generation),
    );
    return successors.length > 0 && !isWantedAgain && !successors.some(({ placementId }) => ready.has(placementId));
  });
}

/** What should run or be held here: the document, with what is retained for as long as it is needed. */
export function wantedPlacements(
  desired: DesiredState,
  retained: readonly DesiredPlacement[],
  ready: ReadonlySet<string>,
): readonly DesiredPlacement[] {
  const kept = stillRetained(retained, desired, ready);
  const keptIds = new Set(kept.map(({ placementId }) => placementId));
  return [...desired.placements.filter(({ placementId }) => !keptIds.has(placementId)), ...kept];
}

/** How many artifacts that no placement wants any more stay on the disk, for a way back without a transfer. */
const MAX_PREVIOUS = 2;

/** The new list of previous artifacts, newest first, when `before` gives way to `wanted`. */
export function previousAfter(
  before: { readonly wanted: readonly DesiredPlacement[]; readonly previous: readonly string[] },
  wanted: readonly DesiredPlacement[],
): readonly string[] {
  const now = new Set<string>(wanted.map(({ artifact }) => artifact));
  const left = before.wanted.map(({ artifact }) => artifact as string);
  return [...new Set([...left, ...before.previous])].filter((artifact) => !now.has(artifact)).slice(0, MAX_PREVIOUS);
}
