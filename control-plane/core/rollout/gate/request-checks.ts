import { fractionOfPercentage } from "../../../../shared/api/v1/rollouts/gate.ts";
import { nodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { ERRORS, type ErrorCode } from "../../../../shared/base/errors.ts";
import { NOT_ENOUGH, shareOf, type Check } from "./check.ts";
import { errorsOf, requestsOfNew, type GateEvidence, type RequestEvidence, type VersionEvidence } from "./evidence.ts";
import { addHistograms, countAbove, countOf, quantileMs } from "./latency-histogram.ts";
import { compareShares, compareWithLimit, type Share } from "./sequential-test.ts";

/**
 * With less than this part of the new version's requests the old one is no measure: at the end of a rollout only requests
 * that were under way come to it.
 */
const LEAST_OLD_PART = 0.02;
/** What is less likely than this is no chance. */
const CHANCE = 0.001;
/** Of the requests that a p95 leaves above it. */
const SLOW_SHARE = 0.05;

const requestsCheck: Check = {
  name: "requests",
  look({ minRequests }, evidence) {
    const total = requestsOfNew(evidence);
    const samples = evidence.samples?.new.requests ?? 0;
    const ofThem = samples === 0 ? "" : ` (${samples} of them its samples)`;
    return {
      found: total >= minRequests ? { kind: "no-worse" } : NOT_ENOUGH,
      sentence: `the new version had ${total} requests${ofThem} and the old one ${evidence.old.requests + (evidence.samples?.old.requests ?? 0)}; ${minRequests} of the new one are wanted`,
    };
  },
};

const errorsCheck: Check = {
  name: "errors",
  look({ maxErrorRate }, evidence, { share }) {
    if (isQuiet(evidence)) return undefined;
    const margin = fractionOfPercentage(maxErrorRate);
    const fresh = failed(evidence.new);
    const what = `${shareOf(fresh.count, fresh.of, "requests")} of the new version failed${codesOf(evidence.new)}`;
    if (isComparable(evidence)) {
      const old = failed(evidence.old);
      return {
        found: compareShares(old, fresh, margin),
        sentence: `${what}, ${shareOf(old.count, old.of, "requests")} of the old one; ${maxErrorRate} more are allowed`,
      };
    }
    const faults = { count: faultsOf(evidence.new), of: evidence.new.requests };
    const found = compareWithLimit(faults, margin, margin);
    return {
      found: found.kind === "worse" && isOldsTurnAhead(evidence, share) ? { kind: "open", leans: "worse" } : found,
      sentence: `${what}, ${faults.count} by no fault of the caller; ${maxErrorRate} are allowed, as the old version has no requests to compare with`,
    };
  },
};

const p95Check: Check = {
  name: "p95",
  look({ maxP95Ms }, evidence) {
    if (maxP95Ms === undefined || isQuiet(evidence)) return undefined;
    const { edge, cloud } = evidence.new.latency;
    const all = addHistograms(edge, cloud);
    const slow = { count: countAbove(all, maxP95Ms), of: countOf(all) };
    return {
      found: slow.of === 0 ? NOT_ENOUGH : compareWithLimit(slow, SLOW_SHARE, SLOW_SHARE),
      sentence: `p95 of the new version is ${inMs(quantileMs(all, 0.95))}: ${shareOf(slow.count, slow.of, "answers")} took longer than ${maxP95Ms} ms, 5 % may`,
    };
  },
};

/**
 * Compares how many answers of the new version are slower than the allowed multiple of the old one's p95 with how many of
 * the old one are slower than that p95, on nodes of the same kind: a version that is on other nodes first is not taken for a slow one.
 */
const p95RatioCheck: Check = {
  name: "p95-ratio",
  look({ maxP95Ratio }, evidence) {
    if (!isComparable(evidence)) return undefined;
    let old: Share = { count: 0, of: 0 };
    let fresh: Share = { count: 0, of: 0 };
    const figures: string[] = [];
    for (const kind of nodeKind.options) {
      const [before, after] = [evidence.old.latency[kind], evidence.new.latency[kind]];
      const usualMs = quantileMs(before, 0.95);
      const nowMs = quantileMs(after, 0.95);
      if (usualMs === undefined || nowMs === undefined) continue;
      old = plus(old, { count: countAbove(before, usualMs), of: countOf(before) });
      fresh = plus(fresh, { count: countAbove(after, maxP95Ratio * usualMs), of: countOf(after) });
      figures.push(`${inMs(nowMs)} against ${inMs(usualMs)} on ${kind} nodes`);
    }
    const slow = shareOf(fresh.count, fresh.of, "answers");
    return {
      found: figures.length === 0 ? NOT_ENOUGH : compareShares(old, fresh, SLOW_SHARE),
      sentence:
        figures.length === 0
          ? "no kind of node answered for both versions yet"
          : `p95 of the new version is ${figures.join(", ")}; ${slow} took longer than ${maxP95Ratio} times the old p95`,
    };
  },
};

export const requestChecks: readonly Check[] = [requestsCheck, errorsCheck, p95Check, p95RatioCheck];

/** Nobody asks for anything. */
const isQuiet = ({ old, new: fresh }: GateEvidence): boolean => old.requests + fresh.requests === 0;

const isComparable = ({ old, new: fresh }: GateEvidence): boolean =>
  old.requests > 0 && old.requests >= LEAST_OLD_PART * fresh.requests;

/**
 * It is still by chance that the old version had no request. What disturbs both versions would be held against the new one, as
 * long as that one alone had any.
 */
const isOldsTurnAhead = ({ old, new: fresh }: GateEvidence, share: number): boolean =>
  old.requests === 0 && share < 100 && (share / 100) ** fresh.requests > CHANCE;

const failed = (of: VersionEvidence): Share => ({ count: errorsOf(of), of: of.requests });

const plus = (a: Share, b: Share): Share => ({ count: a.count + b.count, of: a.of + b.of });

/** Failures that no caller causes: neither a wrong request nor too many of them. */
function faultsOf({ errors }: RequestEvidence): number {
  const isFault = (code: string): boolean =>
    !Object.hasOwn(ERRORS, code) || ![400, 401, 403, 404, 429].includes(ERRORS[code as ErrorCode].status);
  return Object.entries(errors).reduce((sum, [code, count]) => sum + (isFault(code) ? count : 0), 0);
}

function codesOf({ errors }: RequestEvidence): string {
  const most = Object.entries(errors)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 3);
  return most.length === 0 ? "" : ` (${most.map(([code, count]) => `${code} ${count}`).join(", ")})`;
}

const inMs = (ms: number | undefined): string => (ms === undefined ? "unknown" : `${Number(ms.toPrecision(2))} ms`);
