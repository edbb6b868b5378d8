import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import type { RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { PlacementState } from "../../../shared/protocol/placement.ts";
import { quarantineAfter } from "../fleet/versions/quarantine.ts";
import { isWanted, placementsOfDeployment } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement } from "../fleet/types.ts";
import { brakeOf, stateFor, type PlanContext } from "../scheduling/context.ts";
import { stallTimes } from "../scheduling/planning/stalled.ts";

/** What a rollout sees of one node that has its old or its new version, or is a member. */
export interface NodeView {
  readonly id: string;
  readonly name: string;
  readonly kind: NodeKind;
  /** With `kind`, `site`, `zone` and `name`. */
  readonly labels: Readonly<Record<string, string>>;
  /** It is connected. */
  readonly isThere: boolean;
  /** It has been silent for so long that its work moves. */
  readonly isLost: boolean;
  /** It may get a placement. */
  readonly isOpen: boolean;
  /** How long ago its newest quarantine ended, in ms; less than 0: it is in one; Infinity: it was in none. */
  readonly trustedMs: number;
  /** It is drained or removed: it does not count any more. */
  readonly isLeaving: boolean;
  /** The old version is wanted there. */
  readonly hasOld: boolean;
  /** The new version there. */
  readonly fresh: FreshView | undefined;
}

export interface FreshView {
  readonly state: PlacementState;
  readonly code: string | undefined;
  /** It makes no progress. */
  readonly isStalled: boolean;
}

export interface RolloutView {
  /** By id, in the order of names. */
  readonly nodes: ReadonlyMap<string, NodeView>;
  /** Most of the fleet is gone at once: the network is the likelier cause. */
  readonly isMassLoss: boolean;
  /** The new version is wanted no more on a node that is there, and has not left it yet. */
  readonly isFreshLeaving: boolean;
}

/** What the record's rollout of the deployment sees of the fleet. */
export function viewOf(
  fleet: Fleet,
  { name }: FleetDeployment,
  { record, context }: { readonly record: RolloutRecord; readonly context: PlanContext },
): RolloutView {
  const all = placementsOfDeployment(fleet, name).filter(({ model }) => model === record.model);
  const placements = all.filter((each) => isWanted(each) && [record.from, record.to].includes(each.version));
  const byNode = Map.groupBy(placements, ({ nodeId }) => nodeId);
  const ids = new Set<string>([...byNode.keys(), ...record.nodes.map(({ nodeId }) => nodeId)]);
  const views = [...ids].flatMap((id): NodeView[] => {
    const node = fleet.nodes.get(id);
    return node ? [nodeView(fleet, node, { present: byNode.get(node.id) ?? [], record, context })] : [];
  });
  const sorted = views.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const isFreshLeaving = all.some((each) => {
    const node = fleet.nodes.get(each.nodeId);
    const isLeaving = each.version === record.to && !isWanted(each) && each.state !== "gone";
    return isLeaving && node !== undefined && stateFor(node, context) === "ready";
  });
  const nodes = new Map(sorted.map((view) => [view.id, view]));
  return { nodes, isMassLoss: brakeOf(fleet, context).isOfFleet, isFreshLeaving };
}

function nodeView(
  fleet: Fleet,
  node: FleetNode,
  of: {
    readonly present: readonly FleetPlacement[];
    readonly record: RolloutRecord;
    readonly context: PlanContext;
  },
): NodeView {
  const { present, record, context } = of;
  const state = stateFor(node, context);
  const fresh = present.find(({ version }) => version === record.to);
  const { id, name, kind, site, zone, session } = node;
  const quarantine = session?.disconnects && quarantineAfter(session.disconnects);
  return {
    id,
    name,
    kind,
    labels: { ...node.labels, kind, site, zone, name },
    isThere: state === "ready",
    isLost: state === "lost",
    isOpen: !node.cordoned && !node.draining && !node.revoked,
    trustedMs: context.now - (quarantine?.until ?? -Infinity),
    isLeaving: node.draining || node.revoked,
    hasOld: present.some(({ version }) => version === record.from),
    fresh: fresh && {
      state: fresh.state,
      code: fresh.failure?.code,
      isStalled: state === "ready" && (stallTimes(fleet, node).get(fresh.id) ?? Infinity) <= context.now,
    },
  };
}
