import { fractionOfPercentage } from "../../../../shared/api/v1/rollouts/gate.ts";
import { certain, NOT_ENOUGH, shareOf, type Check } from "./check.ts";
import { compareWithLimit, type TestResult } from "./sequential-test.ts";

const DEFAULT_AGREEMENT = "99%";
/** A version that disagrees on this share more than it may is found, where hardly any disagreement is allowed. */
const LEAST_MARGIN = 0.01;

/** A version that answered no copy has shown nothing: the strategy was chosen to see its answers. */
const UNSEEN: TestResult = { kind: "open", leans: "worse" };

const agreementCheck: Check = {
  name: "agreement",
  look({ minAgreement = DEFAULT_AGREEMENT, minRequests }, evidence, { comparesAnswers }) {
    if (!comparesAnswers) return undefined;
    const { compared, agreed } = evidence.new.shadow;
    const apart = { count: compared - agreed, of: compared };
    // The shares are those of decimals: 1 - 0.99 is not quite 0.01, which matters for no count that a test can tell.
    const allowed = 1 - fractionOfPercentage(minAgreement);
    const found = compareWithLimit(apart, allowed, Math.max(allowed, LEAST_MARGIN));
    return {
      found: compared === 0 ? UNSEEN : found.kind === "no-worse" && compared < minRequests ? NOT_ENOUGH : found,
      sentence: `${shareOf(agreed, compared, "answers")} decide as the old version does; ${minAgreement} must`,
    };
  },
};

const differenceCheck: Check = {
  name: "difference",
  look({ maxDifference, minRequests }, evidence, { comparesAnswers }) {
    if (!comparesAnswers || maxDifference === undefined) return undefined;
    const { compared, largestDifference } = evidence.new.shadow;
    const isFar = largestDifference > maxDifference;
    return {
      found: isFar || compared >= minRequests ? certain(!isFar) : NOT_ENOUGH,
      sentence: `values differ by ${Number(largestDifference.toPrecision(3))} at most in ${compared} answers; ${maxDifference} is allowed`,
    };
  },
};

export const answerChecks: readonly Check[] = [agreementCheck, differenceCheck];
