import type { FleetCache } from "../../fleet/fleet-cache.ts";

/** Since this control plane started, or the deployment was there first. */
export interface CascadeCounts {
  /** Requests for which rules were looked at. */
  readonly requests: number;
  /** Those that the large model answered. */
  readonly escalated: number;
  /** Those that both models answered with tensors, and those of them in which both decide alike. */
  readonly compared: number;
  readonly agreed: number;
}

const NOTHING_COUNTED: CascadeCounts = { requests: 0, escalated: 0, compared: 0, agreed: 0 };

/** What became of requests, by the deployment that declares their cascade; forgotten once that is gone. */
export class CascadeTallies {
  readonly #fleet: Pick<FleetCache, "snapshot">;
  readonly #counts = new Map<string, CascadeCounts>();

  constructor(fleet: Pick<FleetCache, "snapshot">) {
    this.#fleet = fleet;
  }

  of(deployment: string): CascadeCounts {
    return this.#counts.get(deployment) ?? NOTHING_COUNTED;
  }

  add(deployment: string, more: Partial<CascadeCounts>): void {
    if (!this.#counts.has(deployment)) {
      const { deployments } = this.#fleet.snapshot();
      for (const name of this.#counts.keys()) if (!deployments.has(name)) this.#counts.delete(name);
    }
    const { requests, escalated, compared, agreed } = this.of(deployment);
    this.#counts.set(deployment, {
      requests: requests + (more.requests ?? 0),
      escalated: escalated + (more.escalated ?? 0),
      compared: compared + (more.compared ?? 0),
      agreed: agreed + (more.agreed ?? 0),
    });
  }
}
