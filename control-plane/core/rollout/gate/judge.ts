import type { GateCheck, GateFinding, GateMeasures } from "../../../../shared/api/v1/rollouts/gate.ts";
import { answerChecks } from "./answer-checks.ts";
import { NOT_ENOUGH, type Check, type CheckContext, type CheckResult } from "./check.ts";
import { requestsOfNew, type GateEvidence } from "./evidence.ts";
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
    const results = [
      look(gate, evidence, { comparesAnswers, share }),
      ON_SAMPLES.has(name) ? onSamples(look, { gate, evidence }) : undefined,
    ].filter((result) => result !== undefined);
    return results.length === 0 ? [] : [{ name, ...together(results) }];
  });
  const findings = looks.map(({ name, found, sentence }) => ({ check: name, result: RESULTS[found.kind], sentence }));
  const isOver = waitedMs >= gate.maxWaitSeconds * 1_000;
  const found = looks.map((each) => each.found);
  if (found.some(({ kind }) => kind === "worse")) return { verdict: "fail", isOverdue: false, findings };
  const isEnough = requestsOfNew(evidence) >= gate.minRequests;
  const passes = found.every(({ kind }) => kind === "no-worse") || (isOver && isEnough && found.every(leansToPass));
  return passes ? { verdict: "pass", isOverdue: false, findings } : { verdict: "more", isOverdue: isOver, findings };
}

/** Checks that compare what both versions answered: samples are looked at apart, as both get each of them. */
const ON_SAMPLES: ReadonlySet<GateCheck> = new Set(["errors", "p95", "p95-ratio"]);

function onSamples(
  look: Check["look"],
  { gate, evidence }: { readonly gate: GateMeasures; readonly evidence: GateEvidence },
): CheckResult | undefined {
  const { samples } = evidence;
  if (samples === undefined) return undefined;
  const of = { old: { ...evidence.old, ...samples.old }, new: { ...evidence.new, ...samples.new } };
  const result = look(gate, of, { comparesAnswers: false, share: 100 });
  return result && { ...result, sentence: `with its samples: ${result.sentence}` };
}

/** Worse by one is worse; no worse by one is no worse, unless the other finds "worse" likelier. */
function together(results: readonly CheckResult[]): CheckResult {
  const kinds = results.map(({ found }) => found);
  const sentence = results.map((result) => result.sentence).join("; ");
  const found =
    kinds.find(({ kind }) => kind === "worse") ??
    kinds.find((each) => each.kind === "open" && each.leans === "worse") ??
    kinds.find(({ kind }) => kind === "no-worse") ??
    NOT_ENOUGH;
  return { found, sentence };
}

const leansToPass = (found: TestResult): boolean =>
  found.kind === "no-worse" || (found.kind === "open" && found.leans === "no-worse");

const RESULTS = { worse: "fail", "no-worse": "pass", open: "more" } as const;
