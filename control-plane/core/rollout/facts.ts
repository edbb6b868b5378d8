import type { GateCheck } from "../../../shared/api/v1/rollouts/gate.ts";
import type { RolloutPhase, RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { PauseCause, ReturnCause, RolloutChange, RolloutEvent } from "./change.ts";

/** What is counted of a change of a rollout. Every value is from a bounded set. */
export interface RolloutFacts {
  readonly deployment: string;
  /** What it did, in the words of its events. */
  readonly steps: readonly RolloutStepName[];
  /** The phase that it left, and how long it was in it, in ms. */
  readonly left: { readonly phase: RolloutPhase; readonly ms: number } | undefined;
  /** Why it returns, or is undone. */
  readonly returns: ReturnCause | undefined;
  readonly pauses: PauseCause | undefined;
  /** Checks of the gate that became certain. */
  readonly checks: readonly { readonly check: GateCheck; readonly result: "pass" | "fail" }[];
}

const STEP_OF = {
  RolloutStarted: "started",
  RolloutWaiting: "waiting",
  RolloutApproved: "approved",
  WavePromoted: "wave-passed",
  RolloutPromoted: "promoted",
  RolloutPaused: "paused",
  RolloutResumed: "resumed",
  RollingBack: "rolling-back",
  RolledBack: "rolled-back",
  RolloutSuperseded: "superseded",
} as const satisfies Record<RolloutEvent["reason"], string>;
export type RolloutStepName = (typeof STEP_OF)[keyof typeof STEP_OF];

const PAUSES: readonly string[] = ["operator", "no-place", "uncertain"] satisfies readonly PauseCause[];

/** `newest`: what became of the present rollout `before`; `next`: the one that begins. `phaseMs`: how long `before` was in its phase. */
export function factsOf(
  deployment: string,
  of: {
    readonly before: { readonly record: RolloutRecord; readonly phaseMs: number } | undefined;
    readonly newest: RolloutChange | undefined;
    readonly next: RolloutChange | undefined;
  },
): RolloutFacts {
  const { before, newest, next } = of;
  const cause = newest?.cause ?? next?.cause;
  const isPause = cause !== undefined && PAUSES.includes(cause);
  return {
    deployment,
    steps: [newest, next].flatMap((change) => (change?.events ?? []).map(({ reason }) => STEP_OF[reason])),
    left: before && newest && leftPhase(before, newest.record),
    returns: isPause ? undefined : (cause as ReturnCause | undefined),
    pauses: isPause ? (cause as PauseCause) : undefined,
    checks: before && newest ? settled(before.record, newest.record) : [],
  };
}

/** Another wave enters the same phases anew. */
function leftPhase(
  { record, phaseMs }: { readonly record: RolloutRecord; readonly phaseMs: number },
  now: RolloutRecord,
): RolloutFacts["left"] {
  const isLeft = now.phase !== record.phase || now.wave !== record.wave;
  return isLeft ? { phase: record.phase, ms: Math.max(0, phaseMs) } : undefined;
}

/** A gate is asked again and again: a check counts when it finds something else than before. */
function settled(before: RolloutRecord, now: RolloutRecord): RolloutFacts["checks"] {
  const known = new Map(before.findings.map(({ check, result }) => [check, result]));
  return now.findings.flatMap(({ check, result }) =>
    result === "more" || known.get(check) === result ? [] : [{ check, result }],
  );
}
