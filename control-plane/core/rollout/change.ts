import type { GateCheck } from "../../../shared/api/v1/rollouts/gate.ts";
import type { RolloutNode, RolloutPhase, RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";

/** What is said of a rollout when it goes on. */
export interface RolloutEvent {
  readonly type: "Normal" | "Warning";
  readonly reason:
    | "RolloutStarted"
    | "RolloutWaiting"
    | "RolloutApproved"
    | "WavePromoted"
    | "RolloutPromoted"
    | "RolloutPaused"
    | "RolloutResumed"
    | "RollingBack"
    | "RolledBack"
    | "RolloutSuperseded";
  readonly message: string;
}

/** Why a rollout returns, from a bounded set: the check that failed, or what else. The record has it in a sentence. */
export type ReturnCause = GateCheck | "failed-nodes" | "aborted" | "undone" | "declared-again";
/** Why a rollout pauses, likewise. */
export type PauseCause = "operator" | "no-place" | "uncertain";

/** A record that takes the place of the one before it, and what is said of it. */
export interface RolloutChange {
  readonly record: RolloutRecord;
  readonly events: readonly RolloutEvent[];
  /** Of one that begins to return or pauses. */
  readonly cause?: ReturnCause | PauseCause;
}

/** Who changed it, and when by the calendar. */
export interface Author {
  readonly who: string;
  /** RFC 3339. */
  readonly at: string;
  /** What an operator said of it. */
  readonly why?: string | undefined;
}

/** Whose changes are not an operator's. */
export const SYSTEM = "skerry";

/** A record keeps its newest notes. */
const MAX_NOTES = 50;

export interface Enter {
  readonly phase: RolloutPhase;
  readonly reason: string;
  readonly event?: RolloutEvent["reason"];
  readonly isWarning?: boolean;
  readonly with?: Partial<RolloutRecord>;
  readonly cause?: ReturnCause | PauseCause;
}

/** `record` with a note of what happened to it. */
export const note = (record: RolloutRecord, { who, at }: Author, what: string): RolloutRecord => ({
  ...record,
  notes: [...record.notes, { at, who, what }].slice(-MAX_NOTES),
});

/** What was done, with what its author said of it. */
export const withWhy = (what: string, { why }: Author): string => (why === undefined ? what : `${what}: ${why}`);

/** `record` in another phase, with a note of it and, where it matters, an event. */
export function enter(record: RolloutRecord, author: Author, to: Enter): RolloutChange {
  const { phase, reason, event, isWarning = false, cause } = to;
  return {
    record: { ...note(record, author, reason), resumes: null, waitsFor: null, ...to.with, phase, reason },
    events: event === undefined ? [] : [{ type: isWarning ? "Warning" : "Normal", reason: event, message: reason }],
    ...(cause !== undefined && { cause }),
  };
}

/** All requests return to the old version in one step; the new one is removed. */
export const rollBack = (
  record: RolloutRecord,
  author: Author,
  { why, cause }: { readonly why: string; readonly cause: ReturnCause },
): RolloutChange =>
  enter(record, author, {
    phase: "rolling-back",
    reason: `${nameOf(record)} returns to ${record.from}: ${why}`,
    event: "RollingBack",
    isWarning: true,
    with: { share: 0 },
    cause,
  });

export const nameOf = ({ model, to }: RolloutRecord): string => `${model}:${to}`;

/** `wave 2 of 3`; nothing for a rollout of one step. */
export const waveOf = ({ wave, waves }: RolloutRecord): string =>
  waves.length > 1 ? `wave ${wave} of ${waves.length}` : "the only wave";

/** Members of the present wave and of those before it that it waits for. */
export const awaited = (members: readonly RolloutNode[]): readonly RolloutNode[] =>
  members.filter(({ state }) => state === "staging" || state === "staged");
