import { SkerryError } from "../../../shared/base/errors.ts";
import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import type { Explanation, InferRequest } from "../../../shared/inference/request.ts";
import { explainRows } from "./explain-rows.ts";

/** Most rows in one run of an explanation: larger runs of a 28 × 28 convolution are no quicker for each row. */
const MOST_ROWS = 64;
/** Of the time that a request may take: the rest is for the answer, and for a last run that is slower than those before it. */
const USABLE_TIME = 0.9;

/** The bounds of one explanation. */
export interface ExplainBounds {
  readonly maxRows: number;
  /** In ms, from now. */
  readonly timeMs: number;
  readonly isCancelled: () => boolean;
  readonly now: () => number;
}

/**
 * The outputs of a request that asks for an explanation, in the order in which it asks for them. Ends with `SkerryError` CANCELLED
 * within one run of the moment when nobody wants it any more, and with DEADLINE_EXCEEDED before its time is over: half an
 * explanation is none.
 */
export async function explainRequest(
  run: (inputs: readonly Tensor[], outputs: readonly string[]) => Promise<readonly Tensor[]>,
  { inputs, outputs, explain }: Pick<InferRequest, "inputs" | "outputs"> & { readonly explain: Explanation },
  { maxRows, timeMs, isCancelled, now }: ExplainBounds,
): Promise<readonly Tensor[]> {
  const startedAt = now();
  let lastAt = startedAt;
  const check = (done: number, evaluations: number): void => {
    if (isCancelled()) throw new SkerryError("CANCELLED", "nobody wants the explanation any more");
    const at = now();
    const lastMs = at - lastAt;
    lastAt = at;
    if (at - startedAt + lastMs <= USABLE_TIME * timeMs) return;
    throw new SkerryError(
      "DEADLINE_EXCEEDED",
      `${explain.method} needs ${evaluations} evaluations of the model, and ${done} were done when its ${timeMs} ms were over; give it more time, or fewer evaluations`,
    );
  };
  check(0, 0);
  const names = [
    ...new Set([...outputs.map(({ name }) => name).filter((name) => name !== explain.name), explain.output]),
  ];
  const answers = await run(inputs, names);
  const answer = answers[names.indexOf(explain.output)];
  if (answer === undefined) throw new Error(`the runtime gave no output "${explain.output}"`);
  const explanation = await explainRows(
    { run, maxRows: Math.max(1, Math.min(maxRows, MOST_ROWS)), check },
    { inputs, answer, explain },
  );
  return outputs.map(({ name }) => {
    const found = name === explain.name ? explanation : answers[names.indexOf(name)];
    if (found === undefined) throw new Error(`the runtime gave no output "${name}"`);
    return found;
  });
}
