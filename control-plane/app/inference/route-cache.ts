import { nodeCost } from "../../core/fleet/node-cost.ts";
import { candidateSet, type CandidateSet } from "../../core/routing/candidate-set.ts";
import type { RouteCandidate } from "../../core/routing/estimate.ts";
import {
  buildRouteTable,
  modelsTouched,
  rebuildRoutes,
  type ReadyPlacement,
  type RouteTable,
} from "../../core/routing/table.ts";
import type { Fleet } from "../../core/fleet/types.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { RequestPath } from "./request-path.ts";
import type { RequestPaths } from "./request-paths.ts";
import type { Telemetry } from "./telemetry.ts";

/** Silence, round trips and capacities are looked at anew after this time; what closes or opens is seen at once. */
const KEEP_MS = 100;

/** A placement that can be asked, and the way to it. */
export interface ServingCandidate extends RouteCandidate {
  readonly path: RequestPath;
  readonly isEdgeOnly: boolean;
  /** The graph that its node has, of a version with variants. */
  readonly variant?: string | undefined;
}

interface Kept {
  readonly builtAt: number;
  readonly any: CandidateSet<ServingCandidate>;
  readonly edge: CandidateSet<ServingCandidate>;
}

interface Parts {
  readonly fleet: FleetCache;
  readonly paths: Pick<RequestPaths, "to">;
  readonly telemetry: Telemetry;
}

/**
 * What the router reads on every request, kept ready: looking up nodes and sessions for each of them measured most of a
 * route. The routes of a model live until the fleet changes in something of that model, the candidates of a version 100 ms.
 */
export class RouteCache {
  readonly #parts: Parts;
  #table: RouteTable = { byModel: new Map(), aliases: new Map() };
  /** As it was when the table was built. */
  #fleet: Fleet | undefined;
  readonly #stale = new Set<string>();
  #areAliasesStale = false;
  readonly #kept = new Map<readonly ReadyPlacement[], Kept>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#parts.fleet.onChange((change, fleet) => {
      if (!this.#fleet) return;
      for (const model of modelsTouched(this.#fleet, fleet, change)) this.#stale.add(model);
      if (change.aliases.size > 0) this.#areAliasesStale = true;
    });
  }

  table(): RouteTable {
    if (!this.#fleet || this.#stale.size > 0 || this.#areAliasesStale) this.#rebuild(this.#parts.fleet.snapshot());
    return this.#table;
  }

  #rebuild(fleet: Fleet): void {
    for (const model of this.#fleet ? this.#stale : this.#table.byModel.keys()) this.#forget(model);
    this.#table = this.#fleet ? rebuildRoutes(this.#table, fleet, this.#stale) : buildRouteTable(fleet);
    this.#fleet = fleet;
    this.#stale.clear();
    this.#areAliasesStale = false;
    // A placement that is ready again after a restart of its host is another process: what the old one did is forgotten.
    this.#parts.telemetry.keepOnly({
      placement: (id) => fleet.placements.get(id)?.state === "ready",
      model: (name) => this.#table.byModel.has(name),
    });
  }

  /** Drops the candidates of a model whose routes are built anew. */
  #forget(model: string): void {
    const routes = this.#table.byModel.get(model);
    for (const { byVersion } of routes ? [routes, ...routes.deployments] : [])
      for (const ready of byVersion.values()) this.#kept.delete(ready);
  }

  /** Those of `ready` whose node is ready and can be reached from here; residency holds for retries and hedges too. */
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
    const { fleet, paths, telemetry } = this.#parts;
    const { nodes } = fleet.snapshot();
    const serving: ServingCandidate[] = [];
    for (const { placement, isEdgeOnly } of ready) {
      const node = nodes.get(placement.nodeId);
      const path = node && paths.to(node, now);
      const stats = telemetry.of(placement.id);
      stats.setServing(path !== undefined, now);
      if (!node || !path) continue;
      serving.push({
        placementId: placement.id,
        nodeId: node.id,
        node: node.name,
        kind: node.kind,
        cost: nodeCost(node),
        rttMs: (node.load?.rttMs ?? 0) + path.hopMs,
        warmUs: placement.warmUs ?? 0,
        stats,
        path,
        isEdgeOnly,
        variant: placement.explain.variant?.name,
      });
    }
    return serving;
  }
}
