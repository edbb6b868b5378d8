import { ChurnMap } from "../../../shared/base/churn-map.ts";
import type { ResponseFrame } from "../../../shared/protocol/inference-frame.ts";

/** How one attempt at a node ended. */
export type AttemptOutcome =
  | { readonly kind: "answered"; readonly response: ResponseFrame }
  /** More waits for the node's channel than may. */
  | { readonly kind: "unsent" }
  /** The channel closed with the request inside. */
  | { readonly kind: "lost" }
  /** Nothing came within the time; the node was told to forget it. */
  | { readonly kind: "timed-out" }
  /** Nobody waits for the answer any more; the node was told to forget it. */
  | { readonly kind: "cancelled" };

interface Pending {
  readonly deadline: number;
  readonly settle: (outcome: AttemptOutcome) => void;
}

/** Requests under way on one inference channel, by their id. Each one ends exactly once. */
export class PendingRequests {
  readonly #pending = new ChurnMap<Pending>();
  #lastId = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** Registers a request; `deadline` in ms of the caller's clock. */
  begin(deadline: number): { readonly requestId: number; readonly outcome: Promise<AttemptOutcome> } {
    this.#lastId = (this.#lastId % 0xffff_fffe) + 1;
    const requestId = this.#lastId;
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.#pending.set(requestId, { deadline, settle: resolve });
    return { requestId, outcome: promise };
  }

  isPending(requestId: number): boolean {
    return this.#pending.has(requestId);
  }

  /** False when nobody waits for it any more. */
  settle(requestId: number, outcome: AttemptOutcome): boolean {
    const entry = this.#pending.get(requestId);
    if (!entry) return false;
    this.#pending.delete(requestId);
    entry.settle(outcome);
    return true;
  }

  /** Ends those past their deadline and names them, so that the node can be told. */
  expire(now: number): readonly number[] {
    const late: number[] = [];
    for (const [requestId, { deadline }] of this.#pending.entries()) if (deadline <= now) late.push(requestId);
    for (const requestId of late) this.settle(requestId, { kind: "timed-out" });
    return late;
  }

  loseAll(): void {
    for (const [requestId] of this.#pending.entries()) this.settle(requestId, { kind: "lost" });
  }
}
