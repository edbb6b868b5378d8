import type { Clock } from "../../../shared/base/clock.ts";
import type { QueueView } from "../../core/admission.ts";
import type { WorkerRequest } from "../../ports/serving.ts";
import type { PlacementQueue } from "../placements/placement-queue.ts";

type Waiter = (queue: PlacementQueue | undefined) => void;

/** Placements whose host a request ended, and the requests that wait for the next host. */
export class HostReplacements {
  /** Most that may wait, by placement. */
  readonly #limits = new Map<string, number>();
  readonly #waiting = new Map<string, Set<Waiter>>();

  begin(placementId: string, queueLimit: number): void {
    this.#limits.set(placementId, queueLimit);
  }

  /** Its next host serves with `queue`; undefined: there will be none. */
  end(placementId: string, queue: PlacementQueue | undefined): void {
    this.#limits.delete(placementId);
    const waiting = this.#waiting.get(placementId);
    this.#waiting.delete(placementId);
    for (const settle of waiting ?? []) settle(queue);
  }

  /** What admission sees of a placement between two hosts; undefined when it is not. How long the start takes is not known. */
  view(placementId: string): QueueView | undefined {
    const queueLimit = this.#limits.get(placementId);
    if (queueLimit === undefined) return undefined;
    const inFlight = this.#waiting.get(placementId)?.size ?? 0;
    return { inFlight, ahead: 0, slots: 1, meanMs: 0, batch: 1, queueLimit };
  }

  /** The queue of the next host; undefined when there will be none, the time is over, or the caller goes away. */
  next(
    placementId: string,
    { deadlineMs, cancellation }: Pick<WorkerRequest, "deadlineMs" | "cancellation">,
    clock: Clock,
  ): Promise<PlacementQueue | undefined> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(placementId) ?? new Set();
      this.#waiting.set(placementId, waiting);
      const settle: Waiter = (queue) => {
        cancelTimer();
        waiting.delete(settle);
        resolve(queue);
      };
      const cancelTimer = clock.after(Math.max(0, deadlineMs), () => settle(undefined));
      waiting.add(settle);
      cancellation.onCancel(() => settle(undefined));
    });
  }
}
