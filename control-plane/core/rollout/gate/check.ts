import type { GateCheck, GateMeasures } from "../../../../shared/api/v1/rollouts/gate.ts";
import type { GateEvidence } from "./evidence.ts";
import type { TestResult } from "./sequential-test.ts";

/** One question that a gate asks. */
export interface Check {
  readonly name: GateCheck;
  /** Undefined: the gate does not ask it. */
  readonly look: (gate: GateMeasures, evidence: GateEvidence, about: CheckContext) => CheckResult | undefined;
}

export interface CheckContext {
  /** Answers to copies of requests are compared with those of the callers. */
  readonly comparesAnswers: boolean;
  /** Percent of the requests that the new version answers; the old one answers the others. */
  readonly share: number;
}

export interface CheckResult {
  readonly found: TestResult;
  /** The figures of both versions, and what is allowed. */
  readonly sentence: string;
}

/** A check without chance: it holds or it does not. */
export const certain = (holds: boolean): TestResult => ({ kind: holds ? "no-worse" : "worse" });

/** Too little is known, and nothing speaks against the version. */
export const NOT_ENOUGH: TestResult = { kind: "open", leans: "no-worse" };

/** 0.0123 as `1.23 %`. */
const percentOf = (share: number): string => `${Number((100 * share).toFixed(2))} %`;

/** `3 of 1200 requests (0.25 %)` */
export const shareOf = (count: number, of: number, what: string): string =>
  of === 0 ? `none of 0 ${what}` : `${count} of ${of} ${what} (${percentOf(count / of)})`;
