import { decodeResponse } from "../../../shared/inference/response.ts";
import { compareAnswers, type AnswerComparison } from "../../core/rollout/shadow/compare-answers.ts";

/** An answer of a node in the form in which it came. */
interface AnswerBody {
  readonly body: Uint8Array;
  readonly headerLength: number;
}

export const NO_AGREEMENT: AnswerComparison = { agrees: false, difference: 0 };

/** How far two answers to one request are apart. What cannot be read is no answer like the other. */
export function compareBodies(old: AnswerBody, fresh: AnswerBody): AnswerComparison {
  try {
    return compareAnswers(
      decodeResponse(old.body, old.headerLength).outputs,
      decodeResponse(fresh.body, fresh.headerLength).outputs,
    );
  } catch {
    return NO_AGREEMENT;
  }
}
