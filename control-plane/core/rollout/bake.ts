import type { RolloutNode, RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { listed } from "../scheduling/format.ts";
import { enter, nameOf, waveOf, type Author, type PauseCause, type RolloutChange } from "./change.ts";
import { unlessHeld, waitForNodes, withNodesBack } from "./hold.ts";
import { sentencesOf, update, type Verdict } from "./judged.ts";
import type { RolloutView } from "./view.ts";
import { shareOf, waveText } from "./waves.ts";

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

/** What a step of a wave is taken from, beside its record with the newest findings. */
export interface Present {
  /** The record as it was written. */
  readonly before: RolloutRecord;
  readonly members: readonly RolloutNode[];
  readonly view: RolloutView;
  readonly author: Author;
  readonly input: AdvanceInput;
}

export function toBaking(
  record: RolloutRecord,
  { members, view, author }: Pick<Present, "members" | "view" | "author">,
): RolloutChange {
  const share = shareOf(record, members, view);
  return enter(record, author, {
    phase: "baking",
    reason: `${waveOf(record)}: ${nameOf(record)} ${record.strategy === "shadow" ? "gets copies" : `answers ${share} %`} of the requests`,
    with: { share, findings: [], foundAt: null },
  });
}

export function bake(record: RolloutRecord, { before, members, author, input }: Present): RolloutChange | undefined {
  const { verdict } = input;
  const silent = members.filter(({ state, why }) => state === "switched" && why !== null);
  const present = { ...(silent.length === 0 ? withNodesBack(record) : record), nodes: [...members] };
  const isOver = input.phaseMs >= record.bakeSeconds * 1_000;
  if (isOver && verdict?.isOverdue === true)
    return pause(present, author, {
      reason: `nothing is certain about ${nameOf(record)} yet: ${sentencesOf(verdict, "more")}`,
      cause: "uncertain",
    });
  if (!isOver || verdict?.verdict === "more") return update(present, before);
  if (silent.length > 0) {
    const why = listed(silent.map((member) => member.why ?? member.node));
    return waitForNodes(present, { why, author }, () => update(present, before));
  }
  return passed(present, author, () => update(present, before));
}

/** The present wave has passed. `stay`: what becomes of the rollout while something else holds it up. */
export function passed(
  record: RolloutRecord,
  author: Author,
  stay: () => RolloutChange | undefined,
): RolloutChange | undefined {
  const intent = record.wave >= record.waves.length ? "promote" : "next-wave";
  return unlessHeld(record, { intent, author }, { go: () => goOn(withPass(record, author.at), author), stay });
}

/** A wave that no node has tried has passed without any evidence. */
const withPass = (record: RolloutRecord, at: string): RolloutRecord =>
  record.phase === "baking"
    ? { ...record, passed: [...record.passed, { wave: record.wave, at, findings: record.findings }] }
    : record;

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

/** The new version goes on to answer the share of the wave before. */
export function enterWave(record: RolloutRecord, wave: number, author: Author): RolloutChange {
  const next = { ...record, wave };
  const reach = record.waves[wave - 1];
  return enter(next, author, {
    phase: "staging",
    reason: `${waveOf(next)} begins${reach === undefined ? "" : ` (${waveText(reach)})`}`,
  });
}

export const pause = (
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
