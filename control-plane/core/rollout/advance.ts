import { msOfInstant } from "../../../shared/api/v1/common.ts";
import type { RolloutNode, RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { counted, listed } from "../scheduling/format.ts";
import { bake, enterWave, passed, pause, toBaking, type AdvanceInput, type Present } from "./bake.ts";
import { awaited, enter, nameOf, rollBack, SYSTEM, waveOf, type Author, type RolloutChange } from "./change.ts";
import { thawed, unlessHeld, waitForNodes, withNodesBack } from "./hold.ts";
import { returnOfWorse, update, withFindings } from "./judged.ts";
import { awaySentence, membersNow } from "./members.ts";
import type { RolloutView } from "./view.ts";
import { joining } from "./waves.ts";

/** A member that is there and gets no placement for so long has no room for it, in ms. */
const WITHOUT_PLACEMENT_MS = 2 * 60_000;
/** One that gets none because its connection breaks again and again has so long, in ms. */
const IN_QUARANTINE_MS = 15 * 60_000;

/**
 * What becomes of a rollout: one step, or undefined when nothing is to be written.
 *
 *   pending ─► staging ─► switching ─► baking ─► staging of the next wave, or promoted
 *                 └───────────┴──────────┴─────► rolling-back ─► rolled-back, or paused
 *
 * `staging`: the nodes of the wave receive the bytes. `switching`: they load the new version beside the old one. `baking`:
 * it answers its share of the requests, also while the next wave gets ready: the gate is asked as long as it answers any, but
 * only a wave that bakes passes. The same record and view give the same step under any leader: a step that was not written is
 * taken again, one that was written is not. A rollout without an approval that it needs, or in a frozen window, stays in its
 * phase and is watched there as before.
 */
export function advance(before: RolloutRecord, view: RolloutView, input: AdvanceInput): RolloutChange | undefined {
  const record = thawed(before, input.at);
  return stepOf(record, view, input) ?? (record === before ? undefined : { record, events: [] });
}

function stepOf(record: RolloutRecord, view: RolloutView, input: AdvanceInput): RolloutChange | undefined {
  const author: Author = { who: SYSTEM, at: input.at };
  switch (record.phase) {
    case "pending":
      return unlessHeld(
        record,
        { intent: "begin", author },
        { go: () => begin(record, view, author), stay: () => undefined },
      );
    case "staging":
    case "switching":
    case "baking": {
      const members = membersNow(record, view, input.at);
      const failed = members.filter(({ state }) => state === "failed");
      if (failed.length > record.gate.maxFailedNodes) {
        const why = listed(
          failed.map((member) => member.why ?? member.node),
          "; ",
        );
        return rollBack({ ...record, nodes: [...members] }, author, { why, cause: "failed-nodes" });
      }
      const judged = withFindings(record, input.verdict, input.at);
      const worse = returnOfWorse({ ...judged, nodes: [...members] }, input.verdict, author);
      if (worse) return worse;
      const go = { staging: stage, switching: switchOver, baking: bake }[record.phase];
      return go(judged, { before: record, members, view, author, input });
    }
    case "rolling-back":
      return finishReturn(record, view, author);
    case "paused":
    case "promoted":
    case "rolled-back":
    case "superseded":
      return undefined;
  }
}

function begin(record: RolloutRecord, view: RolloutView, author: Author): RolloutChange | undefined {
  const isAlone = view.nodes.values().every(({ hasOld }) => !hasOld);
  if (!isAlone) return enterWave(record, 1, author);
  const go = (): RolloutChange =>
    enter(record, author, {
      phase: "promoted",
      reason: `nothing has ${record.model}:${record.from}, so ${nameOf(record)} is placed at once`,
      event: "RolloutPromoted",
      with: { share: 100 },
    });
  return unlessHeld(record, { intent: "promote", author }, { go, stay: () => undefined });
}

function stage(record: RolloutRecord, { before, members, view, author, input }: Present): RolloutChange | undefined {
  const joined = joining(record, members, view).map((node): RolloutNode => ({
    nodeId: node.id,
    node: node.name,
    wave: record.wave,
    state: node.isLost ? "waiting" : "staging",
    since: input.at,
    why: node.isLost ? awaySentence(node) : null,
  }));
  const all = [...members, ...joined];
  const open = awaited(all);
  if (joined.length === 0 && open.length === 0) return skip({ ...record, nodes: all }, before, { view, author });
  const present = { ...withNodesBack(record), nodes: all };
  if (joined.length === 0 && open.every(({ state }) => state === "staged"))
    return unlessHeld(
      present,
      { intent: "load", author },
      { go: () => load(present, open.length, author), stay: () => update(present, before) },
    );
  return (joined.length === 0 ? withoutPlace(present, { view, author, input }) : undefined) ?? update(present, before);
}

const load = (record: RolloutRecord, nodes: number, author: Author): RolloutChange =>
  enter(record, author, {
    phase: "switching",
    reason: `${waveOf(record)}: ${counted(nodes, "node")} with the bytes of ${nameOf(record)}`,
    ...(record.strategy === "recreate" && { with: { share: 100 } }),
  });

/**
 * The rollout pauses when the new version has had no place for too long on a node that it waits for. A node that gets nothing
 * new for a while, because its connection broke again and again, is no reason to call an operator yet.
 */
function withoutPlace(
  present: RolloutRecord,
  { view, author, input }: Pick<Present, "view" | "author" | "input">,
): RolloutChange | undefined {
  if (input.leadingMs < WITHOUT_PLACEMENT_MS) return undefined;
  const without = awaited(present.nodes).filter(({ nodeId, since }) => {
    const { fresh, trustedMs = Infinity } = view.nodes.get(nodeId) ?? {};
    const limitMs = trustedMs < WITHOUT_PLACEMENT_MS ? IN_QUARANTINE_MS : WITHOUT_PLACEMENT_MS;
    return fresh === undefined && msOfInstant(input.at) - msOfInstant(since) >= limitMs;
  });
  if (without.length === 0) return undefined;
  const reason = `${nameOf(present)} has no place on ${listed(without.map(({ node }) => node))}`;
  return pause(present, author, { reason, cause: "no-place" });
}

/**
 * No node of the wave is left to do anything: the wave is over, unless nodes are silent that may be back soon, or most of the
 * fleet is gone, or no node at all has tried the new version yet and those that would are away.
 */
function skip(
  present: RolloutRecord,
  before: RolloutRecord,
  { view, author }: Pick<Present, "view" | "author">,
): RolloutChange | undefined {
  const away = [...view.nodes.values()].filter(({ isThere, hasOld, isLeaving }) => !isThere && hasOld && !isLeaving);
  const isUntried = !present.nodes.some(({ state }) => state === "switched");
  const isShort = away.some(({ isLost }) => !isLost);
  const isAnyThere = view.nodes.values().some(({ isThere, hasOld, isOpen }) => isThere && hasOld && isOpen);
  const areAway = away.length > 0 && (!isAnyThere || present.nodes.some(({ wave }) => wave === present.wave));
  if (isShort || view.isMassLoss || (isUntried && areAway)) {
    const names = listed(away.map(({ name }) => name));
    const why = view.isMassLoss
      ? "most of the fleet is away at once"
      : `${names} ${away.length === 1 ? "is" : "are"} away`;
    return waitForNodes(present, { why, author }, () => update(present, before));
  }
  const isNew = present.nodes.some((member) => member.wave === present.wave && member.state === "switched");
  if (isNew) return toBaking(present, { members: present.nodes, view, author });
  return passed(present, author, () => update(present, before));
}

function switchOver(
  record: RolloutRecord,
  { before, members, view, author, input }: Present,
): RolloutChange | undefined {
  const present = { ...record, nodes: [...members] };
  if (awaited(members).length > 0) return withoutPlace(present, { view, author, input }) ?? update(present, before);
  if (members.some((member) => member.wave === record.wave && member.state === "switched"))
    return toBaking(present, { members, view, author });
  return enter(present, author, {
    phase: "staging",
    reason: `${waveOf(record)}: its nodes went away before they had ${nameOf(record)}`,
  });
}

/** Where nodes are away the planner removes the new version when they are back. */
function finishReturn(record: RolloutRecord, view: RolloutView, author: Author): RolloutChange | undefined {
  const isWantedStill = view.nodes.values().some(({ isThere, fresh }) => isThere && fresh !== undefined);
  if (isWantedStill || view.isFreshLeaving) return undefined;
  return enter(record, author, {
    phase: "rolled-back",
    reason: record.reason,
    event: "RolledBack",
    isWarning: true,
  });
}
