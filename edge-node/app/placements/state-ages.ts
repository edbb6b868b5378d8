import type { Clock } from "../../../shared/base/clock.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import type { PlacementState } from "../../../shared/protocol/placement.ts";

/** Since when each placement is in its state. */
export class StateAges {
  readonly #clock: Clock;
  readonly #entered = new Map<string, { readonly state: PlacementState; readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A report of a placement: the same state again is no change. */
  changed({ placementId, state }: Pick<PlacementReport, "placementId" | "state">): void {
    if (state === "gone") this.#entered.delete(placementId);
    else if (this.#entered.get(placementId)?.state !== state)
      this.#entered.set(placementId, { state, at: this.#clock.now() });
  }

  /** In ms; 0 of a placement that no report was made of. */
  ageMs(placementId: string): number {
    const now = this.#clock.now();
    return now - (this.#entered.get(placementId)?.at ?? now);
  }
}
