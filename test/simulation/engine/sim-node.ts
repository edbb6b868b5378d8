import type { PlacementFigures } from "../../../control-plane/core/routing/placement-stats.ts";
import { isWorthStarting, refusalOf } from "../../../edge-node/core/admission.ts";
import { DEFAULT_QUEUE } from "../../../shared/protocol/limits.ts";
import type { EventQueue } from "./event-queue.ts";

/** One try of one request at one node. */
export interface Job {
  /** Service time in units of the node's mean. */
  readonly size: number;
  /** Until when the node has time for it, in ms of the simulation. */
  readonly deadline: number;
  /** Nobody waits for it any more: dropped when its turn comes. */
  isCancelled: boolean;
  /** Higher ones go first. */
  readonly priority: number;
  /** The second try of its request. */
  readonly isCopy: boolean;
  /** Called at the node at the moment of the end; the way back is the router's affair. */
  readonly onEnd: (end: JobEnd, figures: PlacementFigures) => void;
}

/** `refused`: not started. `dropped`: cancelled or too late to be worth it. `failed`: an error of the node. */
export type JobEnd = "done" | "refused" | "dropped" | "failed";

const EWMA_WEIGHT = 0.1;
const NODE = { kind: "edge", isDraining: false, heldBytes: 0, maxBytes: Infinity } as const;

/** A placement: `slots` runs at once, a queue by priority, admission and drop at dequeue by the code of edge nodes. */
export class SimNode {
  readonly slots: number;
  readonly trueMeanMs: number;
  readonly #events: EventQueue;
  readonly #queue: { readonly job: Job; readonly since: number }[] = [];
  /** Takes and starts every request, whatever time is left. */
  readonly #takesAll: boolean;
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

  constructor(events: EventQueue, spec: { slots: number; meanMs: number; takesAll: boolean }) {
    this.#events = events;
    this.slots = spec.slots;
    this.trueMeanMs = spec.meanMs;
    this.#meanMs = spec.meanMs;
    this.#takesAll = spec.takesAll;
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
    if (this.#refuses(job)) return this.#end(job, "refused");
    if (this.#running.size < this.slots) this.#start(job);
    else this.#wait(job);
  }

  /** As `PlacementQueue` of a node has it: highest priority first; among equals, first come. */
  #wait(job: Job): void {
    const at = this.#queue.findLastIndex((waiting) => waiting.job.priority >= job.priority);
    this.#queue.splice(at + 1, 0, { job, since: this.#events.now });
  }

  #refuses({ deadline }: Job): boolean {
    if (this.#takesAll) return false;
    const request = { edgeOnly: false, deadlineMs: deadline - this.#events.now, bytes: 0 };
    const { rif: inFlight, slots } = this;
    const view = { inFlight, ahead: inFlight, slots, meanMs: this.#meanMs, batch: 1, queueLimit: DEFAULT_QUEUE };
    return refusalOf(request, NODE, view) !== undefined;
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
      const { job, since } = next;
      const waitedMs = this.#events.now - since;
      const deadlineMs = job.deadline - since;
      const isWorth = this.#takesAll || isWorthStarting({ waitedMs, deadlineMs, meanMs: this.#meanMs, ahead: 0 });
      if (!job.isCancelled && isWorth) return this.#start(job);
      this.#end(job, "dropped");
    }
  }

  #end(job: Job, end: JobEnd): void {
    if (!this.isSilent) job.onEnd(end, this.figures());
  }
}
