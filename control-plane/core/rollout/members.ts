import type { RolloutNode, RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { PlacementState } from "../../../shared/protocol/placement.ts";
import type { NodeView, RolloutView } from "./view.ts";

/** States in which the node has all bytes of the new version. */
const WITH_BYTES: readonly PlacementState[] = ["staged", "loading", "warming"];

/**
 * The members of a rollout as they are now. One that is lost and has not switched waits; one that is lost with the new
 * version has failed, unless nodes without it are lost as well. A short silence changes nothing. Those that are drained or
 * removed, or have neither version any more because the deployment left them, are members no more.
 * `at`: now, RFC 3339.
 */
export function membersNow(record: RolloutRecord, view: RolloutView, at: string): readonly RolloutNode[] {
  const isNetwork = view.isMassLoss || othersAreSilentToo(record, view);
  return record.nodes.flatMap((member): RolloutNode[] => {
    const node = view.nodes.get(member.nodeId);
    if (!node || node.isLeaving || hasNeither(node)) return [];
    const { state, why } = node.isThere
      ? whenThere(record, member, node)
      : whenAway(record, member, { node, isNetwork });
    return [{ ...member, state, why, since: state === member.state ? member.since : at }];
  });
}

const hasNeither = ({ isThere, hasOld, fresh }: NodeView): boolean => isThere && !hasOld && fresh === undefined;

/** Why a node that has not switched waits. */
export const awaySentence = ({ name }: NodeView): string => `${name} is away and has not switched`;

type MemberState = Pick<RolloutNode, "state" | "why">;

function whenAway(
  { model, to }: RolloutRecord,
  { state, why }: RolloutNode,
  { node, isNetwork }: { readonly node: NodeView; readonly isNetwork: boolean },
): MemberState {
  if (state === "failed" || state === "waiting") return { state, why };
  if (!node.isLost) return { state, why: `${node.name} is silent` };
  if (state !== "switched") return { state: "waiting", why: awaySentence(node) };
  if (isNetwork) return { state, why: `${node.name} is silent, as nodes without ${model}:${to} are` };
  return { state: "failed", why: `${node.name} fell silent with ${model}:${to}` };
}

function whenThere({ model, to }: RolloutRecord, { state, why }: RolloutNode, node: NodeView): MemberState {
  const name = `${model}:${to}`;
  const { fresh } = node;
  if (fresh?.state === "ready") return { state: "switched", why: null };
  if (fresh?.state === "failed")
    return { state: "failed", why: `${name} failed on ${node.name}: ${fresh.code ?? "unknown"}` };
  if (state === "failed") return { state, why };
  // One without a placement any more lost it to a plan, and not by a fault of the version: it gets another.
  if (state === "switched" && fresh !== undefined)
    return { state: "failed", why: `${name} was ready on ${node.name} and is ${fresh.state} again` };
  if (fresh?.isStalled === true)
    return { state: "failed", why: `${name} makes no progress on ${node.name}, where it is ${fresh.state}` };
  return fresh && WITH_BYTES.includes(fresh.state) ? { state: "staged", why: null } : { state: "staging", why: null };
}

/** At least as large a part of the nodes with the old version alone is silent as of those that have switched. */
function othersAreSilentToo({ nodes }: RolloutRecord, view: RolloutView): boolean {
  const switched = new Set(nodes.filter(({ state }) => state === "switched").map(({ nodeId }) => nodeId));
  const lostPart = (of: readonly NodeView[]): number =>
    of.length === 0 ? 0 : of.filter(({ isLost }) => isLost).length / of.length;
  const present = [...view.nodes.values()].filter(({ isLeaving }) => !isLeaving);
  const others = lostPart(present.filter(({ id }) => !switched.has(id)));
  return others > 0 && others >= lostPart(present.filter(({ id }) => switched.has(id)));
}
