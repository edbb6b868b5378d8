import type { Digest } from "../../../shared/base/digest.ts";
import { placementsOn } from "../fleet/queries.ts";
import type { Fleet } from "../fleet/types.ts";
import { builtOf } from "../fleet/versions/variants.ts";
import { diskHeldOn } from "../scheduling/planning/held.ts";

/** A session of this replica, as far as offers depend on it. */
export interface OfferTarget {
  readonly nodeId: string;
  /** Placements that the node itself called `offered` in this session: it knows them and lacks the bytes. */
  readonly waiting: ReadonlySet<string>;
  readonly isReceiving: boolean;
  /** Artifact → time before which it must not be offered again (the node said why not, and for how long). */
  readonly notBefore: ReadonlyMap<string, number>;
}

export interface Offer {
  readonly nodeId: string;
  readonly artifact: Digest;
  readonly bytes: number;
  readonly placements: readonly string[];
}

/** Which artifact to offer to which node now: one transfer for each node, the placement decided first goes first. */
export function planOffers(fleet: Fleet, targets: readonly OfferTarget[], now: number): readonly Offer[] {
  const offers: Offer[] = [];
  for (const { nodeId, waiting, isReceiving, notBefore } of targets) {
    if (isReceiving || waiting.size === 0) continue;
    const node = fleet.nodes.get(nodeId);
    const diskHeld: ReadonlySet<string> = node ? diskHeldOn(fleet, node) : new Set();
    const wished = placementsOn(fleet, nodeId)
      .filter(({ wanted, id }) => wanted !== "gone" && waiting.has(id) && !diskHeld.has(id))
      .toSorted((a, b) => a.decidedAt - b.decidedAt || (a.id < b.id ? -1 : 1))
      .map((placement) => ({ placement, version: builtOf(fleet, placement) }));
    const first = wished.find(
      ({ version }) => version?.artifact !== undefined && (notBefore.get(version.artifact) ?? 0) <= now,
    );
    const artifact = first?.version?.artifact;
    if (!first?.version || artifact === undefined) continue;
    const placements = wished
      .filter(({ version }) => version?.artifact === artifact)
      .map(({ placement }) => placement.id);
    offers.push({ nodeId, artifact, bytes: first.version.bytes, placements });
  }
  return offers;
}
