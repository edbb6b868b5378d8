import { nodeCost } from "../../core/fleet/node-cost.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { candidateSet, type CandidateSet } from "../../core/routing/candidate-set.ts";
import type { RouteCandidate } from "../../core/routing/estimate.ts";
import { buildRouteTable, type ReadyPlacement, type RouteTable } from "../../core/routing/table.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { NodeSession, SessionRegistry } from "../node-sessions/node-session.ts";
import type { Telemetry } from "./telemetry.ts";

/** Silence, round trips and capacities are looked at anew after this time; what closes or opens is seen at once. */
const KEEP_MS = 100;

/** A placement that can be asked, and the way to it. */
export interface ServingCandidate extends RouteCandidate {
  readonly session: NodeSession;
  readonly isEdgeOnly: boolean;
}

interface Kept {
  readonly builtAt: number;
  readonly any: CandidateSet<ServingCandidate>;
  readonly edge: CandidateSet<ServingCandidate>;
}

interface Parts {
  readonly fleet: FleetCache;
  readonly registry: SessionRegistry;
  readonly telemetry: Telemetry;
  readonly timings: NodeTimings;
}

/**
 * What the router reads on every request, kept ready: looking up nodes and sessions for each of them measured most of a
 * route. The table lives until the fleet changes, the candidates of a version 100 ms.
 */
export class RouteCache {
  readonly #parts: Parts;
  #table: RouteTable = { byModel: new Map(), aliases: new Map() };
  #isTableStale = true;
  readonly #kept = new Map<readonly ReadyPlacement[], Kept>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#parts.fleet.onChange(() => (this.#isTableStale = true));
  }

  table(): RouteTable {
    if (this.#isTableStale) {
      const { fleet, telemetry } = this.#parts;
      const { placements } = fleet.snapshot();
      this.#table = buildRouteTable(fleet.snapshot());
      // A placement that is ready again after a restart of its host is another process: what the old one did is forgotten.
      telemetry.keepOnly({
        placement: (id) => placements.get(id)?.state === "ready",
        model: (name) => this.#table.byModel.has(name),
      });
      this.#kept.clear();
      this.#isTableStale = false;
    }
    return this.#table;
  }

  /** Those of `ready` whose node is ready and whose channel is open here; residency holds for retries and hedges too. */
  candidates(
    ready: readonly ReadyPlacement[],
    { residency, now }: { readonly residency: "edge-only" | undefined; readonly now: number },
  ): CandidateSet<ServingCandidate> {
    let kept = this.#kept.get(ready);
    // Nobody is not kept: the first channel that opens serves at once.
    if (!kept || kept.any.all.length === 0 || now - kept.builtAt >= KEEP_MS) {
      const all = this.#serving(ready, now);
      const edge = all.filter(({ kind }) => kind === "edge");
      kept = { builtAt: now, any: candidateSet(all, now), edge: candidateSet(edge, now) };
      this.#kept.set(ready, kept);
    }
    return residency === "edge-only" ? kept.edge : kept.any;
  }

  #serving(ready: readonly ReadyPlacement[], now: number): ServingCandidate[] {
    const { fleet, registry, telemetry, timings } = this.#parts;
    const { nodes } = fleet.snapshot();
    const serving: ServingCandidate[] = [];
    for (const { placement, isEdgeOnly } of ready) {
      const node = nodes.get(placement.nodeId);
      const session = registry.get(placement.nodeId);
      const stats = telemetry.of(placement.id);
      const isServing = node !== undefined && registry.isRoutable(node, now, timings);
      stats.setServing(isServing, now);
      if (!isServing || !session) continue;
      serving.push({
        placementId: placement.id,
        nodeId: node.id,
        node: node.name,
        kind: node.kind,
        cost: nodeCost(node),
        rttMs: node.load?.rttMs ?? 0,
        warmUs: placement.warmUs ?? 0,
        stats,
        session,
        isEdgeOnly,
      });
    }
    return serving;
  }
}
