import type { Clock } from "../../../shared/base/clock.ts";
import type { Cancellation } from "../../../shared/flow/cancellation.ts";
import { formatDuration } from "../../core/scheduling/format.ts";
import type { DemandOf } from "./demand-meter.ts";
import type { InferenceResponse } from "./inference-request.ts";
import { refusal } from "./inference-responses.ts";

/** Requests that may wait here for replicas, of all deployments together; their bodies have a bound of their own. */
const MAX_WAITING = 1_024;

/** `served`: a replica can be asked, or none ever will be. `full`: too many wait already. `stopped`: this control plane stops. */
export type WaitEnd = "served" | "late" | "cancelled" | "full" | "stopped";

/** What a request waits for: requests that wait for the same are looked at together. */
export interface WaitFor extends DemandOf {
  /** The number or alias that the request names; undefined: its deployment decides. */
  readonly version: string | undefined;
  readonly residency: "edge-only" | undefined;
}

interface Group extends WaitFor {
  readonly waiting: Set<Waiting>;
}

interface Waiting {
  readonly until: number;
  readonly end: (how: WaitEnd) => void;
}

/** Requests that wait until a replica that may answer them is there. Looked at every 50 ms, by what they wait for and not by request. */
export class ReplicaWaits {
  readonly #clock: Clock;
  /** By `keyOf`. */
  readonly #groups = new Map<string, Group>();
  #count = 0;
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits for a replica that may answer, at most until `until` (ms). Never rejects. */
  wait(of: WaitFor, until: number, cancellation: Cancellation): Promise<WaitEnd> {
    if (this.#isStopped) return Promise.resolve("stopped");
    if (cancellation.isCancelled) return Promise.resolve("cancelled");
    if (this.#clock.now() >= until) return Promise.resolve("late");
    if (this.#count >= MAX_WAITING) return Promise.resolve("full");
    return new Promise((resolve) => {
      const key = keyOf(of);
      const group = this.#groups.get(key) ?? { ...of, waiting: new Set() };
      this.#groups.set(key, group);
      const waiting: Waiting = {
        until,
        end: (how) => {
          if (!group.waiting.delete(waiting)) return;
          this.#count -= 1;
          if (group.waiting.size === 0 && this.#groups.get(key) === group) this.#groups.delete(key);
          resolve(how);
        },
      };
      group.waiting.add(waiting);
      this.#count += 1;
      cancellation.onCancel(() => waiting.end("cancelled"));
    });
  }

  /** Ends the waits whose requests would be decided now, and those that are too late. */
  look(isServed: (of: WaitFor) => boolean): void {
    const now = this.#clock.now();
    for (const group of this.#groups.values()) {
      const isReady = isServed(group);
      for (const waiting of group.waiting) {
        if (isReady) waiting.end("served");
        else if (now >= waiting.until) waiting.end("late");
      }
    }
  }

  /** Ends all waits, those to come too. */
  stop(): void {
    this.#isStopped = true;
    for (const { waiting } of this.#groups.values()) for (const each of waiting) each.end("stopped");
  }
}

const keyOf = ({ deployment, version, residency }: WaitFor): string => JSON.stringify([deployment, version, residency]);

/** The refusal of a request that waited for a replica in vain; `otherwise`: its refusal without the wait. */
export function notServed(
  end: Exclude<WaitEnd, "served">,
  otherwise: InferenceResponse,
  waitedMs: number,
): InferenceResponse {
  const { route } = otherwise;
  switch (end) {
    case "late": {
      const detail = `no replica became ready within the ${formatDuration(waitedMs)} that the request could wait; \`skerry explain\` tells why`;
      return refusal("MODEL_NOT_READY", detail, route);
    }
    case "full":
      return refusal("QUEUE_FULL", "too many requests wait for a first replica already", route);
    case "cancelled":
      return refusal("CANCELLED", "the caller went away", route);
    case "stopped":
      return refusal("DRAINING", "this control plane is about to stop", { reason: "draining" });
  }
}
