import type { PlacementFigures } from "../../../control-plane/core/routing/placement-stats.ts";
import type { EventQueue } from "./event-queue.ts";

/** One try of one request at one node. */
export interface Job {
  /** Service time in units of the node's mean. */
  readonly size: number;
  /** When the caller stops waiting, in ms of the simulation. */
  readonly deadline: number;
  /** Nobody waits for it any more: dropped when its turn comes. */
  isCancelled: boolean;
  /** The second try of its request. */
  readonly isCopy: boolean;
  /** Called at the node at the moment of the end; the way back is the router's affair. */
  readonly onEnd: (end: JobEnd, figures: PlacementFigures) => void;
}

/** `refused`: not started. `dropped`: cancelled or too late to be worth it. `failed`: an error of the node. */
export type JobEnd = "done" | "refused" | "dropped" | "failed";

const EWMA_WEIGHT = 0.1;

/** A placement: `slots` runs at once, a first-in-first-out queue, admission and drop at dequeue as edge nodes have them. */
export class SimNode {
  readonly slots: number;
  readonly trueMeanMs: number;
  readonly #events: EventQueue;
  readonly #holdsAtMost: number;
  readonly #queue: { job: Job; since: number }[] = [];
  #running = new Set<Job>();
  #meanMs: number;
  /** Runs take so many times longer. */
  slowdown = 1;
  /** `down`: all that is inside and all that comes fails at once. `erring`: every request fails within 1 ms. */
  state: "up" | "down" | "erring" = "up";
  /** Nothing comes in or goes out; what is inside goes on. */
  isSilent = false;
  /** Time spent running, whoever wanted the result, in ms. */
  busyMs = 0;
  /** The part of it that went into second tries. */
  copyMs = 0;

  constructor(events: EventQueue, spec: { slots: number; meanMs: number; holdsAtMost: number }) {
    this.#events = events;
    this.slots = spec.slots;
    this.trueMeanMs = spec.meanMs;
    this.#meanMs = spec.meanMs;
    this.#holdsAtMost = spec.holdsAtMost;
  }

  get rif(): number {
    return this.#running.size + this.#queue.length;
  }

  figures(): PlacementFigures {
    return { rif: this.rif, slots: this.slots, meanUs: this.#meanMs * 1_000, p95Us: 0 };
  }

  take(job: Job): void {
    if (this.isSilent) return;
    if (this.state === "down") return this.#end(job, "failed");
    if (this.state === "erring") return this.#events.after(1, () => this.#end(job, "failed"));
    if (this.rif >= this.#holdsAtMost) return this.#end(job, "refused");
    if (this.#running.size < this.slots) this.#start(job);
    else this.#queue.push({ job, since: this.#events.now });
  }

  goDown(): void {
    this.state = "down";
    const inside = [...this.#running, ...this.#queue.map(({ job }) => job)];
    this.#running = new Set();
    this.#queue.length = 0;
    for (const job of inside) this.#end(job, "failed");
  }

  #start(job: Job): void {
    const ms = job.size * this.trueMeanMs * this.slowdown;
    this.#running.add(job);
    this.busyMs += ms;
    if (job.isCopy) this.copyMs += ms;
    this.#events.after(ms, () => {
      if (!this.#running.delete(job)) return; // the node went down meanwhile
      this.#meanMs += EWMA_WEIGHT * (ms - this.#meanMs);
      this.#startNext();
      this.#end(job, "done");
    });
  }

  #startNext(): void {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const { job } = next;
      const leftMs = job.deadline - this.#events.now;
      if (!job.isCancelled && leftMs > this.#meanMs) return this.#start(job);
      this.#end(job, "dropped");
    }
  }

  #end(job: Job, end: JobEnd): void {
    if (!this.isSilent) job.onEnd(end, this.figures());
  }
}
