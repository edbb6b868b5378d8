import { versionKey } from "../../../shared/base/version-key.ts";
import { nodeKind, type NodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import { isWanted, placementsOfDeployment } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement, FleetVersion } from "../fleet/types.ts";
import { hasAskedVariant } from "../fleet/versions/variants.ts";
import { targetVersion } from "../fleet/versions/versions.ts";
import type { NodePlaces } from "../scheduling/candidates/node-places.ts";
import { brakeOf, stateFor, type PlanContext } from "../scheduling/context.ts";
import type { DeploymentPlan } from "../scheduling/planning/plan-deployment.ts";
import { replicasAskedFor } from "../scheduling/planning/plan-kind.ts";

/** What the plan of a settled deployment reads of a node: nothing that a heartbeat or a load report changes. */
interface NodeFacts extends Pick<FleetNode, "name" | "kind" | "site" | "zone" | "labels" | "draining"> {
  readonly state: NodeState;
}

export interface SettledPlan {
  readonly plan: DeploymentPlan;
  readonly deployment: FleetDeployment;
  readonly version: FleetVersion;
}

/** What a plan remembers for the next one. */
export interface PlanMemory {
  /** By node id. */
  readonly nodes: ReadonlyMap<string, NodeFacts>;
  readonly placements: Fleet["placements"];
  /** From where nothing moves. */
  readonly brake: string;
  /** By the name of the deployment. */
  readonly settled: ReadonlyMap<string, SettledPlan>;
  /** Of the nodes when candidates were last made; undefined: they were not. */
  readonly places: NodePlaces | undefined;
}

/**
 * Which plans the next plan for the fleet keeps. A deployment is settled when all its placements are ready, of the wanted
 * version and as many as wanted, and nothing is to be done, missing or waited for. Its plan would be made again while
 *
 *   its spec, its recorded status and its version are the same objects,
 *   its placements are the same objects, and the nodes that they are on are what they were, in the same state,
 *   as many replicas are asked for; where `every` node is, no node came, went or became another one,
 *   evacuation is held, or not, as before.
 *
 * What its nodes are loaded with, who else is on them, and the time do not count: they decide where replicas go that are
 * not there yet, and when one that is not ready has stalled.
 */
export class KeptPlans {
  readonly memory: Omit<PlanMemory, "settled" | "places">;
  readonly #fleet: Fleet;
  readonly #context: PlanContext;
  readonly #before: PlanMemory | undefined;
  /** By id, nodes that are another in anything that a settled plan reads; undefined: gone. */
  readonly #changed: ReadonlyMap<string, NodeFacts | undefined>;
  /** Whether a node came, went, was revoked or restored, or may match another selector. */
  readonly #haveNodesChanged: boolean;

  constructor(fleet: Fleet, context: PlanContext, before: PlanMemory | undefined) {
    this.#fleet = fleet;
    this.#context = context;
    const known = before?.nodes ?? NOBODY;
    const changed = changedFacts(fleet, context, known);
    const nodes = withFacts(known, changed);
    this.memory = { nodes, placements: fleet.placements, brake: brakeOf(fleet, context).key };
    this.#before = before?.brake === this.memory.brake ? before : undefined;
    this.#changed = changed;
    this.#haveNodesChanged = changed.entries().some(([id, facts]) => hasDifferentIdentity(known.get(id), facts));
  }

  /** The plan of the deployment as it was and would be again; undefined when it has to be made. */
  of(deployment: FleetDeployment): SettledPlan | undefined {
    const settled = this.#before?.settled.get(deployment.name);
    if (!settled || settled.deployment !== deployment) return undefined;
    const isSameVersion = settled.version === targetOf(this.#fleet, deployment);
    return isSameVersion && this.#areCountsSame(settled) && this.#arePlacementsSame(settled) ? settled : undefined;
  }

  #areCountsSame({ deployment, plan }: SettledPlan): boolean {
    return nodeKind.options.every((kind) => {
      const asked = replicasAskedFor(kind, deployment, this.#context);
      return asked === "every" ? !this.#haveNodesChanged : asked === plan.wanted[kind];
    });
  }

  #arePlacementsSame({ deployment, plan }: SettledPlan): boolean {
    if (this.#changed.size > 0 && plan.placements.some(({ nodeId }) => this.#changed.has(nodeId))) return false;
    if (this.#before?.placements === this.#fleet.placements) return true;
    const now = placementsOfDeployment(this.#fleet, deployment.name).filter(isWanted);
    return (
      now.length === plan.placements.length && now.every((placement, index) => placement === plan.placements[index])
    );
  }
}

/** What is remembered of a plan that was made; undefined when its deployment is not settled. */
export function settledPlan(fleet: Fleet, deployment: FleetDeployment, plan: DeploymentPlan): SettledPlan | undefined {
  const version = targetOf(fleet, deployment);
  const { create, retry, remove, records, shortfall, stalled, waiting, makingRoom, wakeAt } = plan;
  const open = create.length + retry.length + remove.length + records.length;
  const missing = shortfall.length + stalled.length + waiting.length + makingRoom.length;
  const isThere = (placement: FleetPlacement): boolean =>
    placement.state === "ready" &&
    placement.version === plan.targetVersion &&
    hasAskedVariant(placement, deployment.spec);
  const isSettled = open + missing === 0 && wakeAt === undefined && plan.placements.every(isThere);
  return isSettled && version ? { plan, deployment, version } : undefined;
}

function targetOf(fleet: Fleet, deployment: FleetDeployment): FleetVersion | undefined {
  const target = targetVersion(fleet, deployment);
  return target === undefined ? undefined : fleet.versions.get(versionKey(deployment.spec.model, target));
}

const NOBODY: ReadonlyMap<string, NodeFacts> = new Map();

/** Of most nodes nothing has changed since the plan before: then nothing is made for them. */
function changedFacts(
  fleet: Fleet,
  context: PlanContext,
  known: PlanMemory["nodes"],
): ReadonlyMap<string, NodeFacts | undefined> {
  const changed = new Map<string, NodeFacts | undefined>();
  let kept = 0;
  for (const node of fleet.nodes.values()) {
    const before = known.get(node.id);
    const state = stateFor(node, context);
    if (before) kept += 1;
    if (before?.state === state && before.draining === node.draining && !hasMoved(before, node)) continue;
    const { name, kind, site, zone, labels, draining } = node;
    changed.set(node.id, { name, kind, site, zone, labels, draining, state });
  }
  if (kept < known.size) for (const id of known.keys()) if (!fleet.nodes.has(id)) changed.set(id, undefined);
  return changed;
}

function withFacts(
  known: PlanMemory["nodes"],
  changed: ReadonlyMap<string, NodeFacts | undefined>,
): PlanMemory["nodes"] {
  if (changed.size === 0) return known;
  const nodes = new Map(known);
  for (const [id, facts] of changed) {
    if (facts) nodes.set(id, facts);
    else nodes.delete(id);
  }
  return nodes;
}

const hasMoved = (a: Omit<NodeFacts, "state">, b: Omit<NodeFacts, "state">): boolean =>
  a.labels !== b.labels || a.kind !== b.kind || a.site !== b.site || a.zone !== b.zone || a.name !== b.name;

const hasDifferentIdentity = (a: NodeFacts | undefined, b: NodeFacts | undefined): boolean =>
  a === undefined || b === undefined || hasMoved(a, b) || isOut(a) !== isOut(b);

/** Neither of them counts where every node is asked for. */
const isOut = ({ state }: NodeFacts): boolean => state === "revoked" || state === "waiting";
