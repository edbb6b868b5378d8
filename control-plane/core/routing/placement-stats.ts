import { TextPace } from "./text-pace.ts";

/** What an answer says about its placement, piggybacked on every response and refusal. */
export interface PlacementFigures {
  /** Requests accepted there and not answered, ours and others'. */
  readonly rif: number;
  readonly slots: number;
  readonly meanUs: number;
  readonly p95Us: number;
}

/**
 * Weight of a new sample in a mean of service times. The node smooths its own; smoothing that again here took p99 at 90 %
 * load from 178 to 161 ms (simulation S1), since a mean that wavers by a fifth sends requests to the wrong queue.
 */
const MEAN_WEIGHT = 0.1;
/** A mean that moved by this factor is a change, not noise: it is believed at once. */
const NEWS_FACTOR = 2;
/**
 * Time constant of the mean of what others have there, in ms. Light load in simulation S18: p99 125 ms with 1 s, 114 with 3 s,
 * 110 with 10 s; the longer, the longer a node whose callers have gone is shunned. With more load it matters less than 2 %.
 */
const OTHERS_MEAN_MS = 3_000;
const EJECT_AFTER = 5;
const EJECT_MS = 30_000;
const EJECT_AT_MOST_MS = 300_000;
const FAILURE_PENALTY_MS = 5_000;
const PENALTY_DECAY_MS = 10_000;
const RAMP_FROM = 0.1;
const RAMP_MS = 30_000;

/**
 * What this router knows of one placement: its own requests in flight exactly, the rest from the newest report.
 * Mutable, since it changes twice a request; no I/O, every instant is an argument (ms, the router's clock).
 */
export class PlacementStats {
  /** Our own requests under way there. */
  inFlight = 0;
  /** The same, one by one, in the order in which they were sent: the first is the one that runs. */
  readonly underWay = new Set<object>();
  /** Of a placement that writes text. */
  readonly pace = new TextPace();
  #figures: PlacementFigures | undefined;
  #reportedMeanUs: number | undefined;
  #reportedAt = -Infinity;
  #inFlightAtReport = 0;
  #othersMean = 0;
  #failuresInRow = 0;
  #timesEjected = 0;
  #ejectedUntil = -Infinity;
  #penaltyMs = 0;
  #penaltyAt = 0;
  #quietSince = Infinity;
  /** Of those in flight, the ones whose answers have begun. */
  #streaming = 0;
  #isServing = false;
  #rampStart = -Infinity;

  /** A request was sent there. */
  begin(now: number): void {
    if (this.inFlight === this.#streaming) this.#quietSince = now;
    this.inFlight += 1;
  }

  /** An answer has begun: what is quiet from now on is its text. `streamEnded` follows before its end is noted. */
  streamBegan(now: number): void {
    this.#streaming += 1;
    this.#quietSince = now;
  }

  streamEnded(): void {
    this.#streaming -= 1;
  }

  /** A request ended with an answer of the node. */
  answered(figures: PlacementFigures, now: number): void {
    this.inFlight -= 1;
    this.#quietSince = now;
    this.report(figures, now);
    this.#failuresInRow = 0;
  }

  /** A request ended without an answer, or in a fault of the placement. Five in a row eject it, each time for longer. */
  failed(now: number): void {
    this.inFlight -= 1;
    this.#penaltyMs = this.penaltyMs(now) + FAILURE_PENALTY_MS;
    this.#penaltyAt = now;
    this.#failuresInRow += 1;
    if (this.#failuresInRow >= EJECT_AFTER) this.#eject(now);
  }

  /** The caller gave up: says nothing about the placement. */
  abandoned(): void {
    this.inFlight -= 1;
  }

  /** Figures from a response or a load report. */
  report(figures: PlacementFigures, now: number): void {
    const weight = 1 - Math.exp((this.#reportedAt - now) / OTHERS_MEAN_MS);
    this.#figures = figures;
    this.#reportedAt = now;
    const { meanUs } = figures;
    const known = this.#reportedMeanUs ?? 0;
    const isNews = meanUs > NEWS_FACTOR * known || meanUs * NEWS_FACTOR < known;
    if (meanUs > 0) this.#reportedMeanUs = isNews ? meanUs : smoothed(known, meanUs);
    this.#inFlightAtReport = this.inFlight;
    this.#othersMean += weight * (this.othersAtReport - this.#othersMean);
  }

  /**
   * Whether requests may go there at all. One that is new, or comes back, begins with a tenth of its share; what it failed
   * before it went away is forgiven, or a fleet with little load would shun it for another minute.
   */
  setServing(isServing: boolean, now: number): void {
    if (isServing && !this.#isServing) {
      this.#rampStart = now;
      this.#penaltyMs = 0;
      this.#failuresInRow = 0;
    }
    this.#isServing = isServing;
  }

  /** While responses are outstanding: how long none has come or begun, in ms. A node that stops shows it by nothing else. */
  silentMs(now: number): number {
    return this.inFlight === this.#streaming ? 0 : Math.max(0, now - this.#quietSince);
  }

  isEjected(now: number): boolean {
    return now < this.#ejectedUntil;
  }

  /**
   * The share of its weight that a placement has by now, 0.1–1, over the 30 s after it came or came back. While it is
   * ejected it has all of it: it is asked then only because too many others are ejected too.
   */
  slowStartWeight(now: number): number {
    const sinceMs = now - this.#rampStart;
    return sinceMs < 0 || sinceMs >= RAMP_MS ? 1 : RAMP_FROM + (1 - RAMP_FROM) * (sinceMs / RAMP_MS);
  }

  /** A failure counts as 5 s and decays with τ = 10 s. */
  penaltyMs(now: number): number {
    return this.#penaltyMs === 0 ? 0 : this.#penaltyMs * Math.exp((this.#penaltyAt - now) / PENALTY_DECAY_MS);
  }

  get slots(): number {
    return Math.max(1, this.#figures?.slots ?? 1);
  }

  /**
   * Mean service time in µs, undefined before the first report. Only the node knows it: what we see of a run that many
   * requests shared is the whole of it. Each answer brings the newest, so ours would never be fresher.
   */
  get meanUs(): number | undefined {
    return this.#reportedMeanUs;
  }

  /** The newest mean as it was reported, in µs; undefined before the first. Follows a mean that falls without delay. */
  get newestMeanUs(): number | undefined {
    const meanUs = this.#figures?.meanUs ?? 0;
    return meanUs > 0 ? meanUs : undefined;
  }

  /** When the newest figures came; -Infinity before the first. */
  get reportedAt(): number {
    return this.#reportedAt;
  }

  /** Requests of callers at the node itself that were there at the newest report. */
  get othersAtReport(): number {
    return Math.max(0, (this.#figures?.rif ?? 0) - this.#inFlightAtReport);
  }

  /** The same on average, lately. */
  get othersMean(): number {
    return this.#othersMean;
  }

  #eject(now: number): void {
    // Long sound since the last time: a new trouble, not the old one.
    if (now - this.#ejectedUntil > EJECT_AT_MOST_MS) this.#timesEjected = 0;
    this.#failuresInRow = 0;
    this.#timesEjected += 1;
    this.#ejectedUntil = now + Math.min(EJECT_MS * this.#timesEjected, EJECT_AT_MOST_MS);
    this.#rampStart = this.#ejectedUntil;
  }
}

const smoothed = (mean: number, sample: number): number => mean + MEAN_WEIGHT * (sample - mean);
