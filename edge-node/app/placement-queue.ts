import type { Clock } from "../../shared/clock.ts";
import { messageOf, type ErrorCode } from "../../shared/errors.ts";
import { DEFAULT_DEADLINE_MS } from "../../shared/protocol/limits.ts";
import { isWorthStarting, type QueueView } from "../core/admission.ts";
import { RunStatistics } from "../core/run-statistics.ts";
import type { HostAnswer, ModelHost, WorkerRequest } from "../ports.ts";
import { isHostFailure } from "./host-failure.ts";

/** How a request ended, before it is dressed as an answer. */
export type Outcome =
  | { readonly kind: "answered"; readonly answer: HostAnswer; readonly queueMs: number }
  | {
      readonly kind: "dropped";
      readonly code: ErrorCode;
      readonly why: string;
      readonly started: boolean;
      readonly queueMs: number;
    };

interface Entry {
  readonly request: WorkerRequest;
  readonly arrivedAt: number;
  isStarted: boolean;
  isSettled: boolean;
  settle(outcome: Outcome): void;
}

export interface ServedPlacement {
  readonly placementId: string;
  readonly model: string;
  readonly version: string;
  readonly limits: { readonly queue: number; readonly timeoutMs: number };
}

/** A host runs one request at a time. */
const SLOTS = 1;
/**
 * While a quick model runs one request, the next is already handed to its host: the hop costs up to 100 µs, and two
 * under way gave 2.1–3.4 times the answers of one (host-hop.bench.ts). A slower model would gain nothing, and a request
 * that was handed over can no longer be dropped.
 */
const HANDED_AHEAD = 1;
const QUICK_RUN_MS = 2;

/**
 * The requests of one placement: which wait, which run, and what is known about how long they take. Every request is
 * settled exactly once: by its answer, its deadline, its caller who went away, or the end of the placement.
 */
export class PlacementQueue {
  readonly host: ModelHost;
  readonly statistics: RunStatistics;
  placement: ServedPlacement;
  readonly #clock: Clock;
  /** Highest priority first; among equals, first come. */
  readonly #waiting: Entry[] = [];
  #running = 0;
  #rif = 0;
  #isClosed = false;
  /** When the host last became free of the request before: from there the next one's service time counts. */
  #lastEndAt = 0;

  constructor(placement: ServedPlacement, host: ModelHost, clock: Clock) {
    this.placement = placement;
    this.host = host;
    this.#clock = clock;
    this.statistics = new RunStatistics(host.warmUs / 1_000);
  }

  get rif(): number {
    return this.#rif;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  get slots(): number {
    return SLOTS;
  }

  view(): QueueView {
    return { rif: this.#rif, slots: SLOTS, meanMs: this.statistics.meanMs, queueLimit: this.placement.limits.queue };
  }

  /** Takes a request that was admitted. Never rejects. */
  submit(request: WorkerRequest): Promise<Outcome> {
    return new Promise((resolve) => {
      const { signal } = request;
      this.#rif += 1;
      const settle = (outcome: Outcome): void => {
        if (entry.isSettled) return;
        entry.isSettled = true;
        cancelTimer();
        signal.removeEventListener("abort", onAbort);
        this.#rif -= 1;
        resolve(outcome);
      };
      const entry: Entry = { request, arrivedAt: this.#clock.now(), isStarted: false, isSettled: false, settle };
      const onAbort = (): void => this.#drop(entry, "CANCELLED", "its caller went away");
      const cancelTimer = this.#clock.after(request.deadlineMs, () =>
        this.#drop(entry, "DEADLINE_EXCEEDED", lateAt(entry)),
      );
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) return onAbort();
      this.#insert(entry);
      this.#startNext();
    });
  }

  /** No request is started any more; those that wait are settled as not started. What runs goes on. */
  close(): void {
    this.#isClosed = true;
    for (const entry of this.#waiting.splice(0)) {
      this.#settleDropped(entry, "DRAINING", "the model was taken out of service here");
    }
  }

  #insert(entry: Entry): void {
    const at = this.#waiting.findLastIndex(({ request }) => request.priority >= entry.request.priority);
    this.#waiting.splice(at + 1, 0, entry);
  }

  #drop(entry: Entry, code: ErrorCode, why: string): void {
    const at = this.#waiting.indexOf(entry);
    if (at !== -1) this.#waiting.splice(at, 1);
    this.#settleDropped(entry, code, why);
  }

  #settleDropped(entry: Entry, code: ErrorCode, why: string): void {
    const queueMs = this.#clock.now() - entry.arrivedAt;
    entry.settle({ kind: "dropped", code, why, started: entry.isStarted, queueMs });
  }

  #startNext(): void {
    while (!this.#isClosed && this.#running < this.#depth()) {
      const entry = this.#waiting.shift();
      if (entry === undefined) return;
      const waitedMs = this.#clock.now() - entry.arrivedAt;
      const { meanMs } = this.statistics;
      if (isWorthStarting({ waitedMs, deadlineMs: entry.request.deadlineMs, meanMs })) {
        void this.#run(entry, waitedMs);
      } else {
        const why = `after ${waitedMs.toFixed(0)} ms in the queue no time was left for a run of ${meanMs.toFixed(1)} ms`;
        this.#settleDropped(entry, "DEADLINE_EXCEEDED", why);
      }
    }
  }

  #depth(): number {
    return this.statistics.meanMs <= QUICK_RUN_MS ? SLOTS + HANDED_AHEAD : SLOTS;
  }

  async #run(entry: Entry, queueMs: number): Promise<void> {
    const { body, headerLength } = entry.request;
    // The placement's own limit, not the caller's deadline: an impatient caller must not kill the host.
    const timeoutMs = this.placement.limits.timeoutMs || DEFAULT_DEADLINE_MS;
    const startedAt = this.#clock.now();
    entry.isStarted = true;
    this.#running += 1;
    try {
      const answer = await this.host.infer({ body, headerLength, timeoutMs });
      this.#learn(startedAt);
      entry.settle({ kind: "answered", answer, queueMs });
    } catch (error) {
      const started = !isHostFailure(error) || error.started !== false;
      const code = started ? "HOST_CRASHED" : "MODEL_NOT_READY";
      entry.settle({ kind: "dropped", code, why: messageOf(error), started, queueMs });
    } finally {
      this.#running -= 1;
      this.#startNext();
    }
  }

  /** The host answers in order, so a run began when it was handed over or when the one before ended. */
  #learn(startedAt: number): void {
    const now = this.#clock.now();
    this.statistics.add(now - Math.max(startedAt, this.#lastEndAt));
    this.#lastEndAt = now;
  }
}

const lateAt = ({ isStarted, request }: Entry): string =>
  `its ${request.deadlineMs} ms passed while it was ${isStarted ? "running" : "waiting for its turn"}`;
