import { ArrivalWindow } from "../../core/scaling/arrival-window.ts";
import type { ReadyPlacement } from "../../core/routing/table.ts";
import type { Demand } from "../../core/scaling/demand.ts";
import type { Telemetry } from "./telemetry.ts";

/** A deployment and its model. */
export interface DemandOf {
  readonly model: string;
  readonly deployment: string;
}

/** What the replicas of a deployment say of themselves. */
export interface ReplicaFigures {
  /** Undefined while none has run. */
  readonly serviceMs: number | undefined;
  readonly slots: number;
  /** Replicas that are ready. */
  readonly ready: number;
}

interface Measured {
  readonly model: string;
  readonly arrivals: ArrivalWindow;
  inFlight: number;
}

/** Counts the requests that come to this control plane, by deployment. Those without requests for 15 s are not kept. */
export class DemandMeter {
  readonly #measured = new Map<string, Measured>();

  /** A request for the deployment arrived; `now` in ms. Each is followed by one `ended`. */
  arrived({ deployment, model }: DemandOf, now: number): void {
    let measured = this.#measured.get(deployment);
    if (!measured) {
      measured = { model, arrivals: new ArrivalWindow(), inFlight: 0 };
      this.#measured.set(deployment, measured);
    }
    measured.arrivals.add(now);
    measured.inFlight += 1;
  }

  /** It was answered, or its caller went away. */
  ended(deployment: string): void {
    const measured = this.#measured.get(deployment);
    if (measured) measured.inFlight -= 1;
  }

  /** The demand at `now` of every deployment that has any. */
  demands(now: number, figuresOf: (of: DemandOf) => ReplicaFigures): ReadonlyMap<string, Demand> {
    const demands = new Map<string, Demand>();
    for (const [deployment, { model, arrivals, inFlight }] of this.#measured) {
      const ratePerS = arrivals.ratePerS(now);
      if (ratePerS === 0 && inFlight === 0) {
        this.#measured.delete(deployment);
        continue;
      }
      const { serviceMs, slots, ready } = figuresOf({ deployment, model });
      demands.set(deployment, { ratePerS, serviceMs, slots, waiting: Math.max(0, inFlight - ready * slots) });
    }
    return demands;
  }
}

/** Means over the ready replicas; before the first run, what they took to warm up. */
export function figuresOfReplicas(ready: readonly ReadyPlacement[], telemetry: Telemetry): ReplicaFigures {
  const stats = ready.map(({ placement }) => telemetry.of(placement.id));
  const reported = stats.flatMap(({ meanUs }) => meanUs ?? []);
  const known = reported.length > 0 ? reported : ready.flatMap(({ placement }) => placement.warmUs ?? []);
  return {
    serviceMs: known.length === 0 ? undefined : known.reduce((sum, us) => sum + us, 0) / known.length / 1_000,
    slots: Math.max(1, ...stats.map(({ slots }) => slots)),
    ready: ready.length,
  };
}
