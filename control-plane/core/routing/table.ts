import type { CascadeSpec } from "../../../shared/api/v1/deployments/cascade-spec.ts";
import type { Residency } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { kindOf, type ModelKind } from "../../../shared/text/model-kind.ts";
import { isBidirectional } from "../fleet/node-status.ts";
import type { ChangeSet } from "../fleet/changes/change-set.ts";
import { placementsOfDeployment, placementsOn } from "../fleet/queries.ts";
import { aliasKey, type Fleet, type FleetDeployment, type FleetPlacement } from "../fleet/types.ts";
import { sharesOf, targetVersion } from "../fleet/versions/versions.ts";
import { memo } from "../memo.ts";
import type { MeasuredRollout } from "../rollout/gate/measured.ts";
import { measuredRollout } from "../rollout/measured-rollout.ts";
import { canGrow } from "../scaling/replica-targets.ts";
import { chooseVersion, type Chance, type VersionShare } from "./version-split.ts";

/** Ready placements, ready to be asked: rebuilt when the fleet changes, read on every request. */
export interface RouteTable {
  readonly byModel: ReadonlyMap<string, ModelRoutes>;
  /** By `aliasKey`. */
  readonly aliases: ReadonlyMap<string, number>;
}

export interface ModelRoutes {
  readonly model: string;
  /** Deployments of the model, oldest first. */
  readonly deployments: readonly DeploymentRoutes[];
  /** Version number → its ready placements over all deployments. */
  readonly byVersion: ReadonlyMap<number, readonly ReadyPlacement[]>;
  readonly knownVersions: ReadonlySet<number>;
  /** Of those that take no tensors. */
  readonly kinds: ReadonlyMap<number, ModelKind>;
}

export interface DeploymentRoutes {
  readonly name: string;
  /** The version that it asks for; undefined while its alias does not exist. */
  readonly target: number | undefined;
  /** Whether requests can bring it a replica. */
  readonly canGrow: boolean;
  readonly policy: RoutePolicy;
  /** Set where it has a large model behind it. */
  readonly cascade?: DeclaredCascade | undefined;
  /** Who answers requests that name no version: ready versions only, and none while nothing is ready. */
  readonly shares: readonly VersionShare[];
  /** The rollout for which their answers are counted. */
  readonly measured?: MeasuredRollout | undefined;
  /** Version number → its ready placements. */
  readonly byVersion: ReadonlyMap<number, readonly ReadyPlacement[]>;
  /** Where it is ready. */
  readonly sites: ReadonlySet<string>;
}

/** What a deployment says about its requests. */
export interface RoutePolicy {
  /** Deadline of a request that names none, in ms. */
  readonly timeoutMs: number;
  /** The p95 that is promised, in ms; undefined: none. */
  readonly sloMs: number | undefined;
  /** Whether a late request may be sent a second time. */
  readonly hedge: boolean;
}

export interface DeclaredCascade {
  readonly spec: CascadeSpec;
  /** Of the deployment that declares it; it holds for the large model too. */
  readonly residency: Residency;
}

export interface ReadyPlacement {
  readonly placement: FleetPlacement;
  readonly deployment: string;
  /** Kind of its node. */
  readonly kind: NodeKind;
  /** Its deployment lets no request leave the edge. */
  readonly isEdgeOnly: boolean;
}

export const buildRouteTable = (fleet: Fleet): RouteTable => ({
  byModel: new Map(
    versionsByModel(fleet.versions)
      .keys()
      .map((model) => [model, modelRoutes(fleet, model)]),
  ),
  aliases: fleet.aliases,
});

/** `table` for the fleet as it is now, when only what belongs to `models` has changed since it was built, and aliases. */
export function rebuildRoutes(table: RouteTable, fleet: Fleet, models: ReadonlySet<string>): RouteTable {
  const byModel = new Map(table.byModel);
  for (const model of models) {
    if (versionsByModel(fleet.versions).has(model)) byModel.set(model, modelRoutes(fleet, model));
    else byModel.delete(model);
  }
  return { byModel, aliases: fleet.aliases };
}

/** The models whose routes may differ after `change`, which led from `before` to `fleet`. */
export function modelsTouched(before: Fleet, fleet: Fleet, change: ChangeSet): ReadonlySet<string> {
  const models = new Set<string>();
  for (const at of [before, fleet]) {
    const add = (deployment: string | undefined): void =>
      void models.add(at.deployments.get(deployment ?? "")?.spec.model ?? "");
    for (const id of change.nodes) for (const { deployment } of placementsOn(at, id)) add(deployment);
    for (const id of change.placements.keys()) add(at.placements.get(id)?.deployment);
    for (const name of change.deployments) add(name);
  }
  for (const key of change.versions) models.add(key.slice(0, key.lastIndexOf(":")));
  models.delete("");
  return models;
}

const versionsByModel = memo((versions: Fleet["versions"]) => Map.groupBy(versions.values(), ({ model }) => model));
const deploymentsByModel = memo((deployments: Fleet["deployments"]) =>
  Map.groupBy(deployments.values(), ({ spec }) => spec.model),
);

const isRoutable = ({ state, wanted }: FleetPlacement): boolean => state === "ready" && wanted === "serve";

function modelRoutes(fleet: Fleet, model: string): ModelRoutes {
  const routes = (deploymentsByModel(fleet.deployments).get(model) ?? [])
    .toSorted((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1))
    .map((deployment) =>
      routesOf(fleet, deployment, placementsOfDeployment(fleet, deployment.name).filter(isRoutable)),
    );
  const all = routes.flatMap(({ byVersion }) => [...byVersion.values()].flat());
  const known = (versionsByModel(fleet.versions).get(model) ?? []).filter(({ state }) => state === "ready");
  return {
    model,
    deployments: routes,
    byVersion: Map.groupBy(all, ({ placement }) => placement.version),
    knownVersions: new Set(known.map(({ version }) => version)),
    kinds: new Map(known.map((each) => [each.version, kindOf(each)] as const).filter(([, kind]) => kind !== "tensors")),
  };
}

function routesOf(fleet: Fleet, deployment: FleetDeployment, placements: readonly FleetPlacement[]): DeploymentRoutes {
  const { placement: where, limits, slo } = deployment.spec;
  const isEdgeOnly = where.residency === "edge-only";
  const ready: ReadyPlacement[] = [];
  const reachable: FleetPlacement[] = [];
  const sites = new Set<string>();
  for (const placement of placements) {
    const node = fleet.nodes.get(placement.nodeId);
    const kind = node?.kind ?? "cloud";
    // The planner keeps residency too; here it holds in the moment between a changed spec and the plan that follows.
    if (where.residency !== "any" && where.residency !== `${kind}-only`) continue;
    ready.push({ placement, deployment: deployment.name, kind, isEdgeOnly });
    if (!node) continue;
    sites.add(node.site);
    if (isBidirectional(node)) reachable.push(placement);
  }
  const byVersion = Map.groupBy(ready, ({ placement }) => placement.version);
  // Replicas whose nodes are away would win the vote and answer nothing.
  const voters = reachable.length > 0 ? reachable : ready.map(({ placement }) => placement);
  return {
    name: deployment.name,
    target: targetVersion(fleet, deployment),
    canGrow: canGrow(deployment.spec),
    policy: { timeoutMs: limits.timeoutMs, sloMs: slo?.p95Ms, hedge: slo?.hedge ?? false },
    cascade: deployment.spec.cascade && { spec: deployment.spec.cascade, residency: where.residency },
    shares: sharesOf(fleet, deployment, voters),
    measured: measuredRollout(deployment),
    byVersion,
    sites,
  };
}

/** Which version a request names, and what decides when it names none. */
export interface VersionRequest {
  readonly model: string;
  /** A number or an alias; undefined: the model's deployment decides. */
  readonly version: string | undefined;
  /** Whose replicas of a version that is named are asked; undefined: those of any deployment. */
  readonly deployment?: string | undefined;
  /** The caller's site. */
  readonly site: string | undefined;
  /** Requests with the same key get the same version; undefined: chance decides. */
  readonly sticky?: string | undefined;
}

export type Resolved =
  | {
      readonly kind: "found";
      /** 0 while the deployment has no ready version. */
      readonly version: number;
      /** What it is asked for; undefined for the version 0. */
      readonly asks: ModelKind | undefined;
      readonly ready: readonly ReadyPlacement[];
      readonly policy: RoutePolicy;
      /** Whose demand the request is; undefined when nothing deploys the version. */
      readonly deployment: string | undefined;
      /** Whether it may wait for a replica: its deployment brings one when there is demand. */
      readonly mayWait: boolean;
      /** The rollout that divides the requests which name no version, while it is measured. */
      readonly measured?: MeasuredRollout | undefined;
      /** Of the deployment that decided. */
      readonly cascade?: DeclaredCascade | undefined;
    }
  /** 404: no such model, version or alias, or nothing deploys it. */
  | { readonly kind: "unknown"; readonly detail: string };

const NONE: readonly ReadyPlacement[] = [];
const NOWHERE: Pick<DeploymentRoutes, "byVersion"> = { byVersion: new Map() };
const DEFAULT_POLICY: RoutePolicy = { timeoutMs: DEFAULT_DEADLINE_MS, sloMs: undefined, hedge: false };

/**
 * Which version answers and who has it ready. Without a version the model's deployment decides, by its shares; with
 * several, the one that is ready at the caller's site, else the one named like the model, else the oldest.
 */
export function resolve(table: RouteTable, request: VersionRequest, random: Chance): Resolved {
  const routes = table.byModel.get(request.model);
  if (!routes)
    return { kind: "unknown", detail: `model ${request.model} is not known here; GET /v2/models lists the models` };
  if (request.version !== undefined)
    return resolveVersion(table, routes, { reference: request.version, only: request.deployment });
  const deployment = deploymentFor(routes, request.site);
  if (!deployment) {
    return {
      kind: "unknown",
      detail: `model ${request.model} has no deployment; create one with \`skerry apply\`, or name a version in the path`,
    };
  }
  return foundIn(routes, deployment, { sticky: request.sticky, random });
}

/** Which version of one deployment answers; undefined when there is no such deployment of the model. */
export function resolveDeployment(
  table: RouteTable,
  { model, name, sticky }: { readonly model: string; readonly name: string; readonly sticky: string | undefined },
  random: Chance,
): Extract<Resolved, { kind: "found" }> | undefined {
  const routes = table.byModel.get(model);
  const deployment = routes?.deployments.find((each) => each.name === name);
  return routes && deployment && foundIn(routes, deployment, { sticky, random });
}

function foundIn(
  routes: ModelRoutes,
  deployment: DeploymentRoutes,
  { sticky, random }: { readonly sticky: string | undefined; readonly random: Chance },
): Extract<Resolved, { kind: "found" }> {
  const version = chooseVersion(deployment.shares, random, stickyTo(deployment, sticky)) ?? 0;
  return {
    kind: "found",
    version,
    asks: kindOfVersion(routes, version),
    ready: deployment.byVersion.get(version) ?? NONE,
    policy: deployment.policy,
    deployment: deployment.name,
    mayWait: deployment.canGrow && deployment.target !== undefined,
    measured: deployment.measured,
    cascade: deployment.cascade,
  };
}

/** The same callers are not the first ones of every deployment. */
const stickyTo = ({ name }: DeploymentRoutes, sticky: string | undefined): string | undefined =>
  sticky === undefined ? undefined : `${name} ${sticky}`;

const kindOfVersion = ({ kinds }: ModelRoutes, version: number): ModelKind | undefined =>
  version === 0 ? undefined : (kinds.get(version) ?? "tensors");

function deploymentFor({ model, deployments }: ModelRoutes, site: string | undefined): DeploymentRoutes | undefined {
  if (deployments.length <= 1) return deployments[0];
  const atSite = site === undefined ? undefined : deployments.find(({ sites }) => sites.has(site));
  return atSite ?? deployments.find(({ name }) => name === model) ?? deployments[0];
}

function resolveVersion(
  { aliases }: RouteTable,
  routes: ModelRoutes,
  { reference, only }: { readonly reference: string; readonly only: string | undefined },
): Resolved {
  const { model } = routes;
  const version = /^[1-9][0-9]{0,9}$/.test(reference) ? Number(reference) : aliases.get(aliasKey(model, reference));
  if (version === undefined || !routes.knownVersions.has(version)) {
    return {
      kind: "unknown",
      detail: `model ${model} has no version ${reference}; GET /v2/models/${model} lists its versions`,
    };
  }
  const deployments = routes.deployments.filter(({ name }) => only === undefined || name === only);
  const deployment =
    deployments.find(({ byVersion }) => byVersion.has(version)) ?? deployments.find(({ target }) => target === version);
  const { byVersion } = only === undefined ? routes : (deployment ?? NOWHERE);
  return {
    kind: "found",
    version,
    asks: kindOfVersion(routes, version),
    ready: byVersion.get(version) ?? NONE,
    policy: (deployment ?? deployments[0])?.policy ?? DEFAULT_POLICY,
    deployment: deployment?.name,
    mayWait: only === undefined && deployment?.canGrow === true && deployment.target === version,
  };
}
