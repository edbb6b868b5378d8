import { msOfInstant } from "../../../shared/api/v1/common.ts";
import type { GateFinding } from "../../../shared/api/v1/rollouts/gate.ts";
import type { RolloutNode, RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { isEqual } from "../fleet/changes/equal.ts";
import { counted, listed } from "../scheduling/format.ts";
import {
  awaited,
  enter,
  nameOf,
  rollBack,
  SYSTEM,
  waveOf,
  type Author,
  type PauseCause,
  type RolloutChange,
} from "./change.ts";
import { thawed, unlessHeld, waitForNodes, withNodesBack } from "./hold.ts";
import { awaySentence, membersNow } from "./members.ts";
import type { RolloutView } from "./view.ts";
import { joining, shareOf, waveText } from "./waves.ts";

/** A member that is there and gets no placement for so long has no room for it, in ms. */
const WITHOUT_PLACEMENT_MS = 2 * 60_000;
/** One that gets none because its connection breaks again and again has so long, in ms. */
const IN_QUARANTINE_MS = 15 * 60_000;

/** How old the figures of the gate in a record may be while new ones come, in ms. */
const FIGURES_MS = 5_000;

/** What a gate says of the new version. */
export interface Verdict {
  readonly verdict: "pass" | "fail" | "more";
  /** Waiting brings no verdict any more. */
  readonly isOverdue?: boolean;
  readonly findings: readonly GateFinding[];
}

export interface AdvanceInput {
  /** How long the rollout has been in its phase, in ms. */
  readonly phaseMs: number;
  /** How long this leader leads, in ms. */
  readonly leadingMs: number;
  /** Of the gate, while the new version answers requests; undefined: no measure is asked for. */
  readonly verdict: Verdict | undefined;
  /** Now, RFC 3339. */
  readonly at: string;
}

/**
 * What becomes of a rollout: one step, or undefined when nothing is to be written.
 *
 *   pending ─► staging ─► switching ─► baking ─► staging of the next wave, or promoted
 *                 └───────────┴──────────┴─────► rolling-back ─► rolled-back, or paused
 *
 * `staging`: the nodes of the wave receive the bytes. `switching`: they load the new version beside the old one. `baking`:
 * it answers its share of the requests. The same record and view give the same step under any leader: a step that was not
 * written is taken again, one that was written is not. A rollout without an approval that it needs, or in a frozen window,
 * stays in its phase and is watched there as before.
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
      const go = { staging: stage, switching: switchOver, baking: bake }[record.phase];
      return go(record, { members, view, author, input });
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

interface Present {
  readonly members: readonly RolloutNode[];
  readonly view: RolloutView;
  readonly author: Author;
  readonly input: AdvanceInput;
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

const enterWave = (record: RolloutRecord, wave: number, author: Author): RolloutChange => {
  const next = { ...record, wave };
  const reach = record.waves[wave - 1];
  return enter(next, author, {
    phase: "staging",
    reason: `${waveOf(next)} begins${reach === undefined ? "" : ` (${waveText(reach)})`}`,
  });
};

function stage(record: RolloutRecord, { members, view, author, input }: Present): RolloutChange | undefined {
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
  if (joined.length === 0 && open.length === 0) return skip({ ...record, nodes: all }, record, { view, author });
  const present = { ...withNodesBack(record), nodes: all };
  if (joined.length === 0 && open.every(({ state }) => state === "staged"))
    return unlessHeld(
      present,
      { intent: "load", author },
      { go: () => load(present, open.length, author), stay: () => update(present, record) },
    );
  return (joined.length === 0 ? withoutPlace(present, { view, author, input }) : undefined) ?? update(present, record);
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
  { view, author, input }: Omit<Present, "members">,
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

function switchOver(record: RolloutRecord, { members, view, author, input }: Present): RolloutChange | undefined {
  const present = { ...record, nodes: [...members] };
  if (awaited(members).length > 0) return withoutPlace(present, { view, author, input }) ?? update(present, record);
  if (members.some((member) => member.wave === record.wave && member.state === "switched"))
    return toBaking(present, { members, view, author });
  return enter(present, author, {
    phase: "staging",
    reason: `${waveOf(record)}: its nodes went away before they had ${nameOf(record)}`,
  });
}

function toBaking(record: RolloutRecord, { members, view, author }: Omit<Present, "input">): RolloutChange {
  const share = shareOf(record, members, view);
  return enter(record, author, {
    phase: "baking",
    reason: `${waveOf(record)}: ${nameOf(record)} ${record.strategy === "shadow" ? "gets copies" : `answers ${share} %`} of the requests`,
    with: { share, findings: [], foundAt: null },
  });
}

function bake(record: RolloutRecord, { members, author, input }: Present): RolloutChange | undefined {
  const { verdict } = input;
  const silent = members.filter(({ state, why }) => state === "switched" && why !== null);
  const present: RolloutRecord = {
    ...(silent.length === 0 ? withNodesBack(record) : record),
    nodes: [...members],
    ...(verdict !== undefined && { findings: [...verdict.findings], foundAt: input.at }),
  };
  if (verdict?.verdict === "fail") {
    const cause = verdict.findings.find(({ result }) => result === "fail")?.check ?? "requests";
    return rollBack(present, author, { why: sentencesOf(verdict, "fail"), cause });
  }
  const isOver = input.phaseMs >= record.bakeSeconds * 1_000;
  if (isOver && verdict?.isOverdue === true)
    return pause(present, author, {
      reason: `nothing is certain about ${nameOf(record)} yet: ${sentencesOf(verdict, "more")}`,
      cause: "uncertain",
    });
  if (!isOver || verdict?.verdict === "more") return measured(present, record);
  if (silent.length > 0) {
    const why = listed(silent.map((member) => member.why ?? member.node));
    return waitForNodes(present, { why, author }, () => measured(present, record));
  }
  return passed(present, author, () => measured(present, record));
}

const sentencesOf = ({ findings }: Verdict, result: "fail" | "more"): string =>
  findings
    .filter((finding) => finding.result === result)
    .map(({ sentence }) => sentence)
    .join("; ");

/** The present wave has passed. `stay`: what becomes of the rollout while something else holds it up. */
function passed(
  record: RolloutRecord,
  author: Author,
  stay: () => RolloutChange | undefined,
): RolloutChange | undefined {
  const intent = record.wave >= record.waves.length ? "promote" : "next-wave";
  return unlessHeld(record, { intent, author }, { go: () => goOn(record, author), stay });
}

function goOn(record: RolloutRecord, author: Author): RolloutChange {
  const isLast = record.wave >= record.waves.length;
  const waiting = record.nodes.filter(({ state }) => state === "waiting").map(({ node }) => node);
  const later = waiting.length === 0 ? "" : `; ${listed(waiting)} follow when they are back`;
  if (isLast)
    return enter(record, author, {
      phase: "promoted",
      reason: `${nameOf(record)} passed its last wave and takes over from ${record.from}${later}`,
      event: "RolloutPromoted",
      with: { share: 100 },
    });
  const next = enterWave(record, record.wave + 1, author);
  const message = `${nameOf(record)} passed ${waveOf(record)}`;
  return { ...next, events: [{ type: "Normal", reason: "WavePromoted", message }] };
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

const pause = (
  record: RolloutRecord,
  author: Author,
  { reason, cause }: { readonly reason: string; readonly cause: PauseCause },
): RolloutChange =>
  enter(record, author, {
    phase: "paused",
    reason,
    cause,
    event: "RolloutPaused",
    isWarning: true,
    with: { resumes: record.phase },
  });

/** Figures change with each request: they are written when a check finds something else, and every few seconds. */
function measured(present: RolloutRecord, before: RolloutRecord): RolloutChange | undefined {
  const resultsOf = ({ findings }: RolloutRecord) => findings.map(({ check, result }) => [check, result]);
  const ageMs = msOfInstant(present.foundAt ?? "") - msOfInstant(before.foundAt ?? "");
  const isStale = !(ageMs < FIGURES_MS) && !isEqual(present.findings, before.findings);
  const isNews =
    isStale ||
    !isEqual(resultsOf(present), resultsOf(before)) ||
    !isEqual(present.nodes, before.nodes) ||
    !isEqual(present.waitsFor, before.waitsFor);
  return isNews ? { record: present, events: [] } : undefined;
}

/** `present`, where its nodes or what it waits for are others than before. */
function update(present: RolloutRecord, before: RolloutRecord): RolloutChange | undefined {
  const isSame = isEqual(present.nodes, before.nodes) && isEqual(present.waitsFor, before.waitsFor);
  return isSame ? undefined : { record: present, events: [] };
}
