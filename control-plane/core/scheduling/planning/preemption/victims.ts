import { nodeKind, type NodeKind } from "../../../../../shared/api/v1/nodes/nodes.ts";
import { isWanted, placementsOfDeployment, placementsOn } from "../../../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement } from "../../../fleet/types.ts";
import { memo } from "../../../memo.ts";
import { candidateOf } from "../../candidates/candidate-list.ts";
import type { Candidate } from "../../candidates/candidate.ts";
import type { PlanContext } from "../../context.ts";
import { densityOf, valueOf, type ReplicaValue } from "./replica-value.ts";
import { isKept } from "./thrashing.ts";

export const priorityOf = ({ spec }: Pick<FleetDeployment, "spec">): number => spec.priority ?? 0;

const lowestPriority = memo((deployments: Fleet["deployments"]): number =>
  Math.min(...deployments.values().map(priorityOf)),
);

/** Deployments that have more replicas than their minimums. */
const haveMore = memo((fleet: Fleet): readonly FleetDeployment[] => {
  const found: FleetDeployment[] = [];
  for (const deployment of fleet.deployments.values()) {
    const least = nodeKind.options.reduce((sum, kind) => sum + minimumOf(deployment, kind), 0);
    if (placementsOfDeployment(fleet, deployment.name).filter(isWanted).length > least) found.push(deployment);
  }
  return found;
});

/** What room is taken for: a replica that a minimum asks for, or one that is only asked more. */
export type Claim = "minimum" | "demand";

/** The least number of replicas that a deployment is to have on nodes of a kind. */
export function minimumOf({ spec }: FleetDeployment, kind: NodeKind): number {
  const { placement, paused } = spec;
  if (paused === true || (placement.residency !== "any" && placement.residency !== `${kind}-only`)) return 0;
  return placement[kind].every ? Infinity : placement[kind].min;
}

/** Placements of which the plans of other deployments have decided something already. */
export interface Decided {
  /** Ids of those that leave. */
  readonly leaving: ReadonlySet<string>;
  /** Ids of those that are tried again, and of those that come by this plan: none of them is there to be sent away. */
  readonly coming: ReadonlySet<string>;
}

/** A placement whose room another deployment may have. */
export interface Victim {
  readonly placement: FleetPlacement;
  readonly deployment: FleetDeployment;
  /** It is on its way out already, whatever its priority: taking its room costs nothing. */
  readonly isLeaving: boolean;
  readonly value: ReplicaValue;
}

/**
 * What a deployment may send away, so that no other one falls below its minimum, and what leaves anyway. A replica counts for the minimum
 * while it runs or is on its way on a node that is there, and one that answers also for those that answer.
 */
export class Victims {
  readonly #fleet: Fleet;
  readonly #by: FleetDeployment;
  readonly #candidates: readonly Candidate[];
  readonly #context: PlanContext;
  readonly #decided: Decided | undefined;

  constructor(
    fleet: Fleet,
    candidates: readonly Candidate[],
    of: { readonly by: FleetDeployment; readonly context: PlanContext; readonly decided: Decided | undefined },
  ) {
    this.#fleet = fleet;
    this.#candidates = candidates;
    this.#by = of.by;
    this.#context = of.context;
    this.#decided = of.decided;
  }

  /** Whether there may be any. Most fleets have one priority, and no more than minimums: then no node is looked at. */
  get areThere(): boolean {
    if (priorityOf(this.#by) > lowestPriority(this.#fleet.deployments)) return true;
    return haveMore(this.#fleet).some((each) => each.name !== this.#by.name && !this.#isAbove(each));
  }

  /** Those on a node, the least valuable first: lower priority, not answering, less asked, idle, youngest. */
  on(
    node: FleetNode,
    of: { readonly taken: readonly FleetPlacement[]; readonly claim: Claim; readonly isGrowing: boolean },
  ): readonly Victim[] {
    const { taken, claim, isGrowing } = of;
    const { ratesPerS, now } = this.#context;
    const present = placementsOn(this.#fleet, node.id).filter(
      ({ state, wanted }) => wanted !== "gone" || state !== "gone",
    );
    return present
      .flatMap((placement): Victim[] => {
        const deployment = this.#fleet.deployments.get(placement.deployment ?? "");
        const isLeaving = !isWanted(placement) || this.#decided?.leaving.has(placement.id) === true;
        if (!deployment || deployment.name === this.#by.name) return [];
        if (!isLeaving && this.#isAbove(deployment, isGrowing)) return [];
        if (this.#decided?.coming.has(placement.id)) return [];
        if (!isLeaving && claim === "demand" && isKept(this.#fleet, placement, now)) return [];
        // Of several versions of it some use the room of others later: that is the business of its update.
        if (present.filter((each) => each.deployment === deployment.name).length > 1) return [];
        return [{ placement, deployment, isLeaving, value: valueOf(this.#fleet, placement, ratesPerS) }];
      })
      .filter(
        ({ placement, deployment, isLeaving }) => isLeaving || this.#maySpare(placement, deployment, { node, taken }),
      )
      .toSorted((a, b) => leastFirst(a, b, node));
  }

  /** Whether it makes no room for this one, by its priority alone. */
  #isAbove(deployment: FleetDeployment, isGrowing = false): boolean {
    const more = priorityOf(deployment) - priorityOf(this.#by);
    return isGrowing ? more >= 0 : more > 0;
  }

  /** Whether the minimum of its deployment is there without it, and without those that are taken already. */
  #maySpare(
    placement: FleetPlacement,
    deployment: FleetDeployment,
    { node, taken }: { readonly node: FleetNode; readonly taken: readonly FleetPlacement[] },
  ): boolean {
    const left = placementsOfDeployment(this.#fleet, deployment.name).filter(
      (each) =>
        isWanted(each) &&
        each !== placement &&
        !taken.includes(each) &&
        this.#decided?.leaving.has(each.id) !== true &&
        this.#kindOf(each) === node.kind,
    );
    const minimum = minimumOf(deployment, node.kind);
    const there = left.filter((each) => this.#counts(each));
    if (there.length < minimum) return false;
    const answering = there.filter((each) => this.#answers(each)).length;
    return !this.#answers(placement) || answering >= minimum;
  }

  #kindOf = ({ nodeId }: FleetPlacement): NodeKind | undefined => candidateOf(this.#candidates, nodeId)?.node.kind;

  #counts({ nodeId, state }: FleetPlacement): boolean {
    const candidate = candidateOf(this.#candidates, nodeId);
    if (!candidate || state === "failed" || candidate.node.draining) return false;
    return candidate.state !== "lost" && candidate.state !== "revoked";
  }

  #answers = ({ nodeId, state }: FleetPlacement): boolean =>
    state === "ready" && candidateOf(this.#candidates, nodeId)?.state === "ready";
}

function leastFirst(a: Victim, b: Victim, node: FleetNode): number {
  const inFlight = ({ placement: { id } }: Victim): number =>
    node.load?.placements.find(({ placementId }) => placementId === id)?.rif ?? 0;
  return (
    priorityOf(a.deployment) - priorityOf(b.deployment) ||
    Number(a.placement.state === "ready") - Number(b.placement.state === "ready") ||
    densityOf(a.value) - densityOf(b.value) ||
    inFlight(a) - inFlight(b) ||
    b.placement.decidedAt - a.placement.decidedAt ||
    (a.placement.id < b.placement.id ? -1 : 1)
  );
}
