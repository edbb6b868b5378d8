import type { PlacementLoad } from "../../shared/protocol/messages.ts";
import { PlacementStats } from "../core/route/placement-stats.ts";

/** What this router knows of every placement. Entries of placements that are gone are dropped when the fleet changes. */
export class Telemetry {
  readonly #stats = new Map<string, PlacementStats>();

  of(placementId: string): PlacementStats {
    let stats = this.#stats.get(placementId);
    if (!stats) {
      stats = new PlacementStats();
      this.#stats.set(placementId, stats);
    }
    return stats;
  }

  /** A load report: the news about placements that we sent nothing to. */
  report(loads: readonly PlacementLoad[], now: number): void {
    for (const load of loads) this.of(load.placementId).report(load, now);
  }

  keepOnly(placements: ReadonlyMap<string, unknown>): void {
    for (const placementId of this.#stats.keys()) if (!placements.has(placementId)) this.#stats.delete(placementId);
  }
}
