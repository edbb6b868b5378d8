import type { Clock } from "../../../shared/base/clock.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { isAwaited, NODES_RETURN_MS, whyNotRouting, type ReadinessView } from "../../core/fleet/readiness.ts";
import type { RequestPaths } from "../inference/request-paths.ts";
import type { FleetCache } from "./fleet-cache.ts";

interface Parts {
  readonly fleet: FleetCache;
  readonly paths: RequestPaths;
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

  /** Until when, in ms, any of these nodes may be on its way back since the start; undefined: none is. */
  awaitedUntil(nodeIds: Iterable<string>): number | undefined {
    const { nodes } = this.#parts.fleet.snapshot();
    const view = this.#view;
    const isAny = Iterator.from(nodeIds).some((id) => {
      const node = nodes.get(id);
      return node !== undefined && !node.revoked && isAwaited(node, view);
    });
    return isAny ? view.startedAt + NODES_RETURN_MS : undefined;
  }

  get #view(): ReadinessView {
    const { paths, timings, clock } = this.#parts;
    const now = clock.now();
    return {
      now,
      startedAt: this.#startedAt,
      timings,
      isRoutable: (node) => paths.to(node, now) !== undefined,
    };
  }

  #reasons(purpose: "inference" | "admin"): readonly string[] {
    const { fleet } = this.#parts;
    if (this.#isStopping) return ["stopping"];
    if (!fleet.isLoaded) return ["the fleet is not loaded yet"];
    if (purpose === "admin") return fleet.isFresh ? [] : ["PostgreSQL does not answer"];
    return whyNotRouting(fleet.snapshot(), this.#view);
  }
}
