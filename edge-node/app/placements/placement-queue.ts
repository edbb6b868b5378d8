import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf, type ErrorCode } from "../../../shared/base/errors.ts";
import { Cancellation } from "../../../shared/flow/cancellation.ts";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { handLimit, isWorthStarting, type QueueView } from "../../core/admission.ts";
import type { RunStatistics } from "../../core/run-statistics.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";
import type { WorkerRequest } from "../../ports/serving.ts";
import { blameOf, type Outcome, streamOf } from "./request-outcome.ts";
import { ServiceTimes } from "./service-times.ts";

interface Entry {
  readonly request: WorkerRequest;
  readonly arrivedAt: number;
  /** Cancelled when it is settled without the host's answer: what the host has of it ends. */
  readonly dropped: Cancellation;
  isStarted: boolean;
  isSettled: boolean;
  settle(outcome: Outcome): void;
}

export interface ServedPlacement {
  readonly placementId: string;
  readonly model: string;
  readonly version: string;
  readonly limits: {
    readonly queue: number;
    readonly timeoutMs: number;
    readonly maxBatch: number;
    readonly maxDelayUs?: number | undefined;
  };
}

/**
 * A host runs one thing at a time, a request or a batch, so the router may count one server whose speed is the mean. Were
 * each row of a batch a slot, it would expect n requests to take as long as one.
 */
const SLOTS = 1;
/** What the channel's frame can say. */
const MAX_ROWS = 65_535;

/**
 * The requests of one placement: which wait, and which run. Every request is settled exactly once: by its answer, its
 * deadline, its caller who went away, or the end of the placement.
 */
export class PlacementQueue {
  readonly host: ModelHost;
  readonly #times: ServiceTimes;
  readonly #clock: Clock;
  /** Highest priority first; among equals, first come. */
  readonly #waiting: Entry[] = [];
  /** Handed to the host and not answered. */
  #handed = 0;
  /** What is handed is one request that must not share the host with another. */
  #isAlone = false;
  #placement: ServedPlacement;
  #inFlight = 0;
  #isClosed = false;
  readonly #onEmpty: (() => void)[] = [];
  /** Set while requests wait for company. */
  #cancelGathering: (() => void) | undefined;

  constructor(placement: ServedPlacement, host: ModelHost, clock: Clock) {
    this.#placement = placement;
    this.host = host;
    this.#clock = clock;
    this.#times = new ServiceTimes(host, clock);
    host.sharedSlots?.onFreed(() => this.#startNext());
  }

  /** What is served and within which limits. */
  get placement(): ServedPlacement {
    return this.#placement;
  }

  /** The same placement has other limits or names from now on. */
  update(placement: ServedPlacement): void {
    this.#placement = placement;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  /** Without those that others have taken. */
  get slots(): number {
    const { slots, sharedSlots } = this.host;
    return slots === undefined ? SLOTS : Math.max(1, slots - (sharedSlots?.takenByOthers ?? 0));
  }

  /** Others have taken what this one does not have. */
  get #isCrowdedOut(): boolean {
    const { slots = SLOTS, sharedSlots } = this.host;
    const others = sharedSlots?.takenByOthers ?? 0;
    return others > 0 && this.#handed + others >= slots;
  }

  /** Of runs; of a host that runs several requests at once, of the times until their answers begin. */
  get statistics(): RunStatistics {
    return this.#times.runs;
  }

  /** Mean time of a run for a request, in ms; where answers begin long before they end, until one begins. */
  get meanMs(): number {
    return this.#times.meanMs;
  }

  view(): QueueView {
    const { meanMs, slots } = this;
    const beginsEarly = this.host.slots !== undefined;
    return {
      inFlight: this.#inFlight,
      ahead: this.#waiting.length + this.#handed,
      slots,
      ...(beginsEarly ? { meanMs: this.#times.wholeMeanMs, headMs: meanMs } : { meanMs }),
      batch: this.#batch,
      queueLimit: this.#placement.limits.queue,
    };
  }

  /** Requests that may share a run. */
  get #batch(): number {
    const { maxBatch } = this.#placement.limits;
    return this.host.noBatchReason === undefined ? Math.max(1, Math.min(maxBatch, MAX_ROWS)) : 1;
  }

  /** Takes a request that was admitted. Never rejects. */
  submit(request: WorkerRequest): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#inFlight += 1;
      const settle = (outcome: Outcome): void => {
        if (entry.isSettled) return;
        entry.isSettled = true;
        cancelTimer();
        const stream = streamOf(outcome);
        // While an answer that has its length is read, the host is free for others: it bounds what waits there in bytes.
        if (stream === undefined || stream.length !== undefined) this.#leave();
        else void stream.ended.then(() => this.#leave());
        resolve(outcome);
      };
      const arrivedAt = this.#clock.now();
      const dropped = new Cancellation();
      const entry: Entry = { request, arrivedAt, dropped, isStarted: false, isSettled: false, settle };
      const cancelTimer = this.#clock.after(request.deadlineMs, () =>
        this.#drop(entry, "DEADLINE_EXCEEDED", lateAt(entry)),
      );
      request.cancellation.onCancel(() => this.#drop(entry, "CANCELLED", "its caller went away"));
      if (entry.isSettled) return;
      this.#insert(entry);
      this.#startNext();
    });
  }

  #leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) for (const notify of this.#onEmpty.splice(0)) notify();
  }

  /** Resolves when no request is waiting or running. A large answer may still be read: the host stays until it was. */
  emptied(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onEmpty.push(resolve));
  }

  /**
   * No request is started any more; those that wait are settled as not started. What runs goes on. `isReplaced`: another
   * host takes this one's place.
   */
  close({ isReplaced = false }: { readonly isReplaced?: boolean } = {}): void {
    this.#isClosed = true;
    this.#cancelGathering?.();
    for (const entry of this.#waiting.splice(0)) {
      if (isReplaced) this.#settleDropped(entry, "MODEL_NOT_READY", "its model host is started again", "any");
      else this.#settleDropped(entry, "DRAINING", "the model was taken out of service here");
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
    entry.dropped.cancel();
  }

  #settleDropped(entry: Entry, code: ErrorCode, why: string, again?: "any"): void {
    const queueMs = this.#clock.now() - entry.arrivedAt;
    const outcome = { kind: "dropped", code, why, started: entry.isStarted, queueMs } as const;
    entry.settle(again === undefined ? outcome : { ...outcome, again });
  }

  #startNext(): void {
    if (this.#isClosed || this.#waiting.length === 0 || this.#isGathering()) return;
    while (!this.#isCrowdedOut && this.#handed < handLimit(this.view())) {
      if (this.#isAlone || (this.#handed > 0 && this.#waiting[0]?.request.isAlone === true)) return;
      const entry = this.#waiting.shift();
      if (entry === undefined) return;
      const waitedMs = this.#clock.now() - entry.arrivedAt;
      const { meanMs } = this;
      // What a host of several slots has taken does not keep this one from beginning.
      const ahead = this.host.slots === undefined ? this.#handed : 0;
      if (isWorthStarting({ waitedMs, deadlineMs: entry.request.deadlineMs, meanMs, ahead })) {
        void this.#run(entry, waitedMs);
      } else {
        const why = `after ${waitedMs.toFixed(0)} ms in the queue no time was left for a run of ${meanMs.toFixed(1)} ms behind ${ahead} others`;
        this.#settleDropped(entry, "DEADLINE_EXCEEDED", why);
      }
    }
  }

  /**
   * Whether the host stays idle a little longer so that more requests can share its next run: `maxDelayUs` at most, and
   * never more than half of anybody's deadline. Without that limit an idle host starts at once: what arrives during a run shares the next.
   */
  #isGathering(): boolean {
    const delayMs = (this.#placement.limits.maxDelayUs ?? 0) / 1_000;
    this.#cancelGathering?.();
    this.#cancelGathering = undefined;
    if (delayMs === 0 || this.#handed > 0 || this.#waiting.length >= this.#batch) return false;
    const until = this.#waiting.map(({ arrivedAt, request }) => arrivedAt + Math.min(delayMs, request.deadlineMs / 2));
    const leftMs = Math.min(...until) - this.#clock.now();
    if (leftMs <= 0) return false;
    this.#cancelGathering = this.#clock.after(leftMs, () => this.#startNext());
    return true;
  }

  async #run(entry: Entry, queueMs: number): Promise<void> {
    const { body, headerLength, deadlineMs, explain = false, doubt, kept } = entry.request;
    // The placement's own limit, not the caller's deadline: an impatient caller must not kill the host.
    const timeoutMs = this.#placement.limits.timeoutMs || DEFAULT_DEADLINE_MS;
    const startedAt = this.#clock.now();
    entry.isStarted = true;
    this.#handed += 1;
    this.#isAlone = entry.request.isAlone === true;
    const maxRows = this.#isAlone ? 1 : (this.host.slots ?? this.#batch);
    try {
      const leftMs = deadlineMs - queueMs;
      const asked = { body, headerLength, timeoutMs, leftMs, maxRows, cancellation: entry.dropped };
      const wants = {
        ...(explain && { explain }),
        ...(doubt !== undefined && { doubt }),
        ...(kept !== undefined && { kept }),
      };
      const answer = await this.host.infer({ ...asked, ...wants });
      if (answer.code === "CANCELLED") return; // settled when it was cancelled, and no run to learn from
      const stream = answer.body instanceof Uint8Array ? undefined : answer.body;
      if (entry.isSettled) stream?.cancel(); // its deadline passed while it ran: nobody reads it
      if (stream !== undefined && stream.length === undefined) {
        this.#times.streamBegan(startedAt);
        entry.settle({ kind: "answered", answer, queueMs });
        return await this.#times.streamEnded(stream);
      }
      const inHostMs = this.#times.answered(startedAt, answer);
      entry.settle({ kind: "answered", answer, queueMs: queueMs + inHostMs });
    } catch (error) {
      entry.settle({ kind: "dropped", why: messageOf(error), queueMs, ...blameOf(error) });
    } finally {
      this.#handed -= 1;
      this.#isAlone = false;
      this.#startNext();
    }
  }
}

const lateAt = ({ isStarted, request }: Entry): string =>
  `its ${request.deadlineMs} ms passed while it was ${isStarted ? "running" : "waiting for its turn"}`;
