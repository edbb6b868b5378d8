import type { GateCheck, GateFinding, GateMeasures } from "../../../../shared/api/v1/rollouts/gate.ts";
import { answerChecks } from "./answer-checks.ts";
import type { CheckContext } from "./check.ts";
import { callersSince, type CountedEvidence, type GateEvidence } from "./evidence.ts";
import { isSameWave, type Wave } from "./measured.ts";
import { requestChecks } from "./request-checks.ts";
import type { TestResult } from "./sequential-test.ts";

/**
 * A version that has passed goes on to answer requests: while the rest of its bake lasts, while the rollout waits for an
 * approval or the end of a frozen window, and while the next wave gets ready. If it gets worse then, all the good requests
 * before weigh against what is seen now. So what was counted since is looked at on its own, too, in turns: each begins anew
 * when the one before it has found nothing.
 *
 * Each turn is another chance of a false alarm. All turns of a wave together have a tenth of the probability of its trial, the
 * n-th one 1/(n (n + 1)) of that: its test has to be as much more certain, which costs the logarithm of it in requests.
 */
export interface Turn {
  readonly wave: Wave;
  /** From 1. */
  readonly number: number;
  /** What was counted when it began. */
  readonly from: CountedEvidence;
  /** When it began, in ms. */
  readonly since: number;
}

/** A turn lasts so long at least, in ms: the fewer there are, the less certain each has to be. */
const TURN_MS = 60_000;

const PART_OF_ALL = 1 / 10;

/** The tests of shares. What holds or does not hold is seen in all that was counted. */
const TESTED: ReadonlySet<GateCheck> = new Set(["errors", "p95", "p95-ratio", "agreement"]);
const CHECKS = [...requestChecks, ...answerChecks].filter(({ name }) => TESTED.has(name));

/** What a look at a turn found. */
export interface Watched {
  /** The checks that are certain that the version is worse. */
  readonly worse: readonly GateFinding[];
  /** The turn to look at next. */
  readonly turn: Turn;
}

export interface WatchLook {
  readonly wave: Wave;
  /** All that was counted of the wave. */
  readonly counted: CountedEvidence;
  readonly gate: GateMeasures;
  readonly about: CheckContext;
  /** Now, in ms. */
  readonly now: number;
  readonly evidenceOf: (counted: CountedEvidence) => GateEvidence;
}

/** `before`: the turn of the look before. */
export function watch(before: Turn | undefined, look: WatchLook): Watched {
  const { wave, counted, now } = look;
  const begun = (number: number): Turn => ({ wave, number, from: counted, since: now });
  if (!before || !isSameWave(before.wave, wave)) return { worse: [], turn: begun(1) };
  const since = callersSince(counted, before.from);
  if (!since) return { worse: [], turn: begun(before.number) };
  const looks = looksAt(since, before.number, look);
  const worse = looks.filter(({ kind }) => kind === "worse").map(({ finding }) => finding);
  const isOver = now - before.since >= TURN_MS && looks.length > 0 && looks.every(({ kind }) => kind === "no-worse");
  return { worse, turn: isOver ? begun(before.number + 1) : before };
}

function looksAt(since: CountedEvidence, turn: number, { gate, about, evidenceOf }: WatchLook) {
  const evidence = evidenceOf(since);
  return CHECKS.flatMap(({ name, look }) => {
    // How many requests it had was asked in the trial.
    const result = look({ ...gate, minRequests: 0 }, evidence, about);
    if (result === undefined) return [];
    const kind = isCertain(result.found, turn) ? result.found.kind : "open";
    const finding: GateFinding = { check: name, result: "fail", sentence: `since it passed: ${result.sentence}` };
    return [{ kind, finding }];
  });
}

const isCertain = (found: TestResult, turn: number): boolean =>
  found.kind !== "worse" || (found.beyond ?? Infinity) >= Math.log((turn * (turn + 1)) / PART_OF_ALL);
