import type { NodeKind } from "../../../shared/api/nodes.ts";
import { aliasKey, type Fleet, type FleetDeployment, type FleetPlacement } from "../fleet/types.ts";
import { targetVersion } from "../fleet/queries.ts";

/** Ready placements, ready to be asked: rebuilt when the fleet changes, read on every request. */
export interface RouteTable {
  readonly byModel: ReadonlyMap<string, ModelRoutes>;
}

export interface ModelRoutes {
  readonly model: string;
  /** Deployments of the model, oldest first. */
  readonly deployments: readonly DeploymentRoutes[];
  /** Version number → its ready placements over all deployments. */
  readonly byVersion: ReadonlyMap<number, readonly ReadyPlacement[]>;
  /** Alias → version number. */
  readonly aliases: ReadonlyMap<string, number>;
  readonly knownVersions: ReadonlySet<number>;
}

export interface DeploymentRoutes {
  readonly name: string;
  /** The version that answers now; undefined while none is ready. */
  readonly activeVersion: number | undefined;
  readonly ready: readonly ReadyPlacement[];
}

export interface ReadyPlacement {
  readonly placement: FleetPlacement;
  readonly deployment: string;
  /** Kind of its node. */
  readonly kind: NodeKind;
}

export function buildRouteTable(fleet: Fleet): RouteTable {
  const byModel = new Map<string, ModelRoutes>();
  const ready = [...fleet.placements.values()].filter(
    (placement) => placement.state === "ready" && placement.wanted === "serve",
  );
  const byDeployment = Map.groupBy(ready, (placement) => placement.deployment);
  const models = new Set([...fleet.versions.values()].map((version) => version.model));
  for (const model of models) {
    const deployments = [...fleet.deployments.values()]
      .filter((deployment) => deployment.spec.model === model)
      .toSorted((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1))
      .map((deployment) => routesOf(fleet, deployment, byDeployment.get(deployment.name) ?? []));
    const all = deployments.flatMap((deployment) => deployment.ready);
    const versions = [...fleet.versions.values()].filter((version) => version.model === model);
    byModel.set(model, {
      model,
      deployments,
      byVersion: Map.groupBy(all, ({ placement }) => placement.version),
      aliases: aliasesOf(fleet, model),
      knownVersions: new Set(versions.filter(({ state }) => state === "ready").map(({ version }) => version)),
    });
  }
  return { byModel };
}

function routesOf(fleet: Fleet, deployment: FleetDeployment, placements: readonly FleetPlacement[]): DeploymentRoutes {
  const { residency } = deployment.spec.placement;
  const kindOf = (placement: FleetPlacement): NodeKind => fleet.nodes.get(placement.nodeId)?.kind ?? "cloud";
  // The planner keeps residency too; here it holds in the moment between a changed spec and the plan that follows.
  const admitted = placements.filter((placement) => residency === "any" || residency === `${kindOf(placement)}-only`);
  return {
    name: deployment.name,
    activeVersion: activeVersion(targetVersion(fleet, deployment), admitted),
    ready: admitted.map((placement) => ({ placement, deployment: deployment.name, kind: kindOf(placement) })),
  };
}

/** The version with the most ready replicas answers; of equal ones the target, so that traffic moves when the new version can carry it. */
function activeVersion(target: number | undefined, ready: readonly FleetPlacement[]): number | undefined {
  const counts = [...Map.groupBy(ready, ({ version }) => version)].map(([version, group]) => ({
    version,
    count: group.length,
  }));
  const best = counts.toSorted(
    (a, b) => b.count - a.count || Number(b.version === target) - Number(a.version === target) || b.version - a.version,
  );
  return best[0]?.version;
}

function aliasesOf(fleet: Fleet, model: string): ReadonlyMap<string, number> {
  const prefix = aliasKey(model, "");
  return new Map(
    [...fleet.aliases]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, version]) => [key.slice(prefix.length), version]),
  );
}

export type Resolved =
  | { readonly kind: "found"; readonly version: number; readonly ready: readonly ReadyPlacement[] }
  /** 404: no such model, version or alias, or nothing deploys it. */
  | { readonly kind: "unknown"; readonly detail: string };

/**
 * Which version answers and who has it ready. Without a version the model's deployment decides; with several, the one
 * that is ready at the caller's site (`isAtSite`), else the one named like the model, else the oldest.
 */
export function resolve(
  table: RouteTable,
  wish: { readonly model: string; readonly version: string | undefined },
  isAtSite: (placement: FleetPlacement) => boolean,
): Resolved {
  const routes = table.byModel.get(wish.model);
  if (!routes)
    return { kind: "unknown", detail: `model ${wish.model} is not known here; GET /v2/models lists the models` };
  if (wish.version !== undefined) return resolveVersion(routes, wish.version);
  const [oldest] = routes.deployments;
  if (!oldest) {
    return {
      kind: "unknown",
      detail: `model ${wish.model} has no deployment; create one with \`skerry apply\`, or name a version in the path`,
    };
  }
  const deployment =
    routes.deployments.find(({ ready }) => ready.some(({ placement }) => isAtSite(placement))) ??
    routes.deployments.find(({ name }) => name === wish.model) ??
    oldest;
  const { activeVersion: version = 0 } = deployment;
  return { kind: "found", version, ready: deployment.ready.filter(({ placement }) => placement.version === version) };
}

function resolveVersion(routes: ModelRoutes, wish: string): Resolved {
  const version = /^[1-9][0-9]{0,9}$/.test(wish) ? Number(wish) : routes.aliases.get(wish);
  if (version === undefined || !routes.knownVersions.has(version)) {
    return {
      kind: "unknown",
      detail: `model ${routes.model} has no version ${wish}; GET /v2/models/${routes.model} lists its versions`,
    };
  }
  return { kind: "found", version, ready: routes.byVersion.get(version) ?? [] };
}
