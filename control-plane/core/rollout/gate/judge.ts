import type { GateFinding, GateMeasures } from "../../../../shared/api/v1/gate.ts";
import { answerChecks } from "./answer-checks.ts";
import type { Check, CheckContext } from "./check.ts";
import type { GateEvidence } from "./evidence.ts";
import { hostChecks } from "./host-checks.ts";
import { requestChecks } from "./request-checks.ts";
import type { TestResult } from "./sequential-test.ts";

export interface GateVerdict {
  /** `more`: it is not certain enough yet. */
  readonly verdict: "pass" | "fail" | "more";
  /** With `more`: the gate's `maxWaitSeconds` are over, so waiting brings no verdict and an operator decides. */
  readonly isOverdue: boolean;
  /** What each check found, in the order of `CHECKS`. */
  readonly findings: readonly GateFinding[];
}

const CHECKS: readonly Check[] = [...requestChecks, ...answerChecks, ...hostChecks];

/**
 * Whether a wave may go on. May be asked as often as anyone likes, with all that was counted since the wave began:
 *
 * - `fail` as soon as one check is certain that the new version is worse; of 1,000 rollouts between equal versions at most 10
 *   see one.
 * - `pass` when every check is certain that it is not. After `maxWaitSeconds` also when the new version has had
 *   `minRequests` and no open check finds "worse" likelier.
 */
export function judge(
  gate: GateMeasures,
  evidence: GateEvidence,
  { waitedMs, comparesAnswers = false, share = 100 }: { readonly waitedMs: number } & Partial<CheckContext>,
): GateVerdict {
  const looks = CHECKS.flatMap(({ name, look }) => {
    const result = look(gate, evidence, { comparesAnswers, share });
    return result === undefined ? [] : [{ name, ...result }];
  });
  const findings = looks.map(({ name, found, sentence }) => ({ check: name, result: RESULTS[found.kind], sentence }));
  const isOver = waitedMs >= gate.maxWaitSeconds * 1_000;
  const found = looks.map((each) => each.found);
  if (found.some(({ kind }) => kind === "worse")) return { verdict: "fail", isOverdue: false, findings };
  const isEnough = evidence.new.requests >= gate.minRequests;
  const passes = found.every(({ kind }) => kind === "no-worse") || (isOver && isEnough && found.every(leansToPass));
  return passes ? { verdict: "pass", isOverdue: false, findings } : { verdict: "more", isOverdue: isOver, findings };
}

const leansToPass = (found: TestResult): boolean =>
  found.kind === "no-worse" || (found.kind === "open" && found.leans === "no-worse");

const RESULTS = { worse: "fail", "no-worse": "pass", open: "more" } as const;
