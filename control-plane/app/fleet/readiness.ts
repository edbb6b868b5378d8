import type { Clock } from "../../../shared/base/clock.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { whyNotRouting } from "../../core/fleet/readiness.ts";
import type { SessionRegistry } from "../node-sessions/node-session.ts";
import type { FleetCache } from "./fleet-cache.ts";

interface Parts {
  readonly fleet: FleetCache;
  readonly registry: SessionRegistry;
  readonly timings: NodeTimings;
  readonly clock: Clock;
}

/** Whether this control plane should be sent requests, for each purpose: `/v2` needs nodes, `/api/v1` needs PostgreSQL. */
export class Readiness {
  readonly #parts: Parts;
  #startedAt = Infinity;
  #isStopping = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** From now on nodes can come back. */
  start(): void {
    this.#startedAt = this.#parts.clock.now();
  }

  /** Says no to everything from now on. */
  stop(): void {
    this.#isStopping = true;
  }

  of(purpose: "inference" | "admin"): { readonly ready: boolean; readonly reasons: readonly string[] } {
    const reasons = this.#reasons(purpose);
    return { ready: reasons.length === 0, reasons };
  }

  #reasons(purpose: "inference" | "admin"): readonly string[] {
    const { fleet, registry, timings, clock } = this.#parts;
    if (this.#isStopping) return ["stopping"];
    if (!fleet.isLoaded) return ["the fleet is not loaded yet"];
    if (purpose === "admin") return fleet.isFresh ? [] : ["PostgreSQL does not answer"];
    const now = clock.now();
    return whyNotRouting(fleet.snapshot(), {
      now,
      startedAt: this.#startedAt,
      timings,
      isRoutable: (node) => registry.isRoutable(node, now, timings),
    });
  }
}
