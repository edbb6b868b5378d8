import type { FleetPlacement } from "../../../fleet/types.ts";
import type { Candidate } from "../../candidates/candidate.ts";

/** Replicas of which some are to take the place of others. */
interface Moves {
  /** Those that count as replicas: of two of which one replaces the other, one. */
  readonly counting: readonly FleetPlacement[];
  /** Those whose successors answer. */
  readonly replaced: readonly { readonly placement: FleetPlacement; readonly why: string }[];
}

/** A replica that moves counts where it was until it answers where it goes. One whose predecessor is gone is a replica like any other. */
export function movesAmong(
  standing: readonly FleetPlacement[],
  at: (placement: FleetPlacement) => Candidate | undefined,
): Moves {
  if (!standing.some(({ explain }) => explain.moves)) return { counting: standing, replaced: [] };
  const byId = new Map(standing.map((placement) => [placement.id as string, placement]));
  const replaced = new Map<FleetPlacement, string>();
  const coming = new Set<FleetPlacement>();
  for (const placement of standing) {
    const predecessor = placement.explain.moves && byId.get(placement.explain.moves.placementId);
    if (!predecessor) continue;
    const candidate = at(placement);
    if (placement.state === "ready" && candidate?.state === "ready")
      replaced.set(predecessor, `it moved to ${candidate.node.name}`);
    else coming.add(placement);
  }
  return {
    counting: standing.filter((placement) => !coming.has(placement) && !replaced.has(placement)),
    replaced: [...replaced].map(([placement, why]) => ({ placement, why })),
  };
}
