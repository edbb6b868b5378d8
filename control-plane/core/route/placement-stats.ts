/** What an answer says about its placement, piggybacked on every response and refusal. */
export interface PlacementFigures {
  /** Requests accepted there and not answered, ours and others'. */
  readonly rif: number;
  readonly slots: number;
  readonly meanUs: number;
  readonly p95Us: number;
}

const OWN_MEAN_WEIGHT = 0.1;
const EJECT_AFTER = 5;
const EJECT_MS = 30_000;
const EJECT_AT_MOST_MS = 300_000;
const FAILURE_PENALTY_MS = 5_000;
const PENALTY_DECAY_MS = 10_000;

/**
 * What this router knows of one placement: its own requests in flight exactly, the rest from the newest report.
 * Mutable, since it changes twice a request; no I/O, every instant is an argument (ms, the router's clock).
 */
export class PlacementStats {
  /** Our own requests under way there. */
  inFlight = 0;
  #figures: PlacementFigures | undefined;
  #reportedAt = -Infinity;
  #inFlightAtReport = 0;
  #ownMeanUs: number | undefined;
  #failuresInRow = 0;
  #timesEjected = 0;
  #ejectedUntil = -Infinity;
  #penaltyMs = 0;
  #penaltyAt = 0;

  begin(): void {
    this.inFlight += 1;
  }

  /** A request ended with an answer of the node; `serviceUs` when the model ran. */
  answered(figures: PlacementFigures, at: { readonly now: number; readonly serviceUs: number | undefined }): void {
    this.inFlight -= 1;
    this.report(figures, at.now);
    this.#failuresInRow = 0;
    if (at.serviceUs !== undefined) {
      this.#ownMeanUs =
        this.#ownMeanUs === undefined
          ? at.serviceUs
          : this.#ownMeanUs + OWN_MEAN_WEIGHT * (at.serviceUs - this.#ownMeanUs);
    }
  }

  /** A request ended without an answer, or in a fault of the placement. Five in a row eject it, each time for longer. */
  failed(now: number): void {
    this.inFlight -= 1;
    this.#penaltyMs = this.penaltyMs(now) + FAILURE_PENALTY_MS;
    this.#penaltyAt = now;
    this.#failuresInRow += 1;
    if (this.#failuresInRow < EJECT_AFTER) return;
    this.#failuresInRow = 0;
    this.#timesEjected += 1;
    this.#ejectedUntil = now + Math.min(EJECT_MS * this.#timesEjected, EJECT_AT_MOST_MS);
  }

  /** The caller went away: says nothing about the placement. */
  abandoned(): void {
    this.inFlight -= 1;
  }

  /** Figures from a response or a load report. */
  report(figures: PlacementFigures, now: number): void {
    this.#figures = figures;
    this.#reportedAt = now;
    this.#inFlightAtReport = this.inFlight;
  }

  isEjected(now: number): boolean {
    return now < this.#ejectedUntil;
  }

  /** A failure counts as 5 s and decays with τ = 10 s. */
  penaltyMs(now: number): number {
    return this.#penaltyMs * Math.exp(-(now - this.#penaltyAt) / PENALTY_DECAY_MS);
  }

  get slots(): number {
    return Math.max(1, this.#figures?.slots ?? 1);
  }

  get p95Us(): number | undefined {
    return this.#figures?.p95Us;
  }

  /** Mean service time in µs: the node's own while fresh, else what we saw; undefined before the first sample. */
  meanUs(now: number): number | undefined {
    const FRESH_MS = 5_000;
    const reported = this.#figures && this.#figures.meanUs > 0 ? this.#figures.meanUs : undefined;
    return now - this.#reportedAt < FRESH_MS ? (reported ?? this.#ownMeanUs) : (this.#ownMeanUs ?? reported);
  }

  /** Requests of others there at the last report, and how long ago that was. */
  others(now: number): { readonly count: number; readonly ageMs: number; readonly ownAtReport: number } {
    const count = Math.max(0, (this.#figures?.rif ?? 0) - this.#inFlightAtReport);
    return { count, ageMs: now - this.#reportedAt, ownAtReport: this.#inFlightAtReport };
  }
}
