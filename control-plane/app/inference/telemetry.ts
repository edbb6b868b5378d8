import type { PlacementLoad } from "../../../shared/protocol/messages/load-report.ts";
import { AnswerTimes } from "../../core/routing/answer-times.ts";
import { RetryBudget } from "../../core/routing/retry-budget.ts";
import { PlacementStats } from "../../core/routing/placement-stats.ts";

/** As many requests of one model may be asked again at once: those that a dying node holds. */
const RETRY_RESERVE = 100;
const HEDGE_RESERVE = 10;

/** What this router knows of one model's requests as a whole. */
export interface ModelStats {
  /** For retries after a failure; those after a refusal cost no run and need none. */
  readonly retries: RetryBudget;
  readonly hedges: RetryBudget;
  readonly answerTimes: AnswerTimes;
}

/** What this router knows of every placement and model. Entries of those that are gone are dropped when the fleet changes. */
export class Telemetry {
  readonly #placements = new Map<string, PlacementStats>();
  readonly #models = new Map<string, ModelStats>();

  of(placementId: string): PlacementStats {
    let stats = this.#placements.get(placementId);
    if (!stats) {
      stats = new PlacementStats();
      this.#placements.set(placementId, stats);
    }
    return stats;
  }

  ofModel(model: string): ModelStats {
    let stats = this.#models.get(model);
    if (!stats) {
      stats = {
        retries: new RetryBudget(RETRY_RESERVE),
        hedges: new RetryBudget(HEDGE_RESERVE),
        answerTimes: new AnswerTimes(),
      };
      this.#models.set(model, stats);
    }
    return stats;
  }

  /** A load report: the news about placements that we sent nothing to. */
  report(loads: readonly PlacementLoad[], now: number): void {
    for (const load of loads) this.of(load.placementId).report(load, now);
  }

  keepOnly(isKnown: { placement: (id: string) => boolean; model: (name: string) => boolean }): void {
    for (const id of this.#placements.keys()) if (!isKnown.placement(id)) this.#placements.delete(id);
    for (const name of this.#models.keys()) if (!isKnown.model(name)) this.#models.delete(name);
  }
}
