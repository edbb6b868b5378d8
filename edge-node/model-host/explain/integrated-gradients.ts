import { absentValue, type ExplanationPlan, type NumericRow, presentElements } from "./plan.ts";

const DEFAULT_STEPS = 8;

/**
 * Integrated gradients: the gradients of the score along the straight path from the baseline to the row, times the way that
 * each element goes on it (Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017). The influences add up
 * to the score of the row less that of the baseline, but for the error of the steps.
 *
 * The runtime gives no gradients, so they are central differences. The difference spans one step of the path: then gradient
 * times way is the difference of two scores, and no small number is divided. Costs two evaluations for each step and each element that differs
 * from the baseline: 2,400 for 150 inked pixels and 8 steps.
 */
export function integratedGradients(
  row: NumericRow,
  {
    baseline,
    samples: steps = DEFAULT_STEPS,
  }: { readonly baseline: readonly number[]; readonly samples: number | undefined },
): ExplanationPlan {
  const elements = presentElements(row, baseline);
  const variantOf = (i: number) => ({
    step: Math.floor(i / (2 * elements.length)),
    element: elements[Math.floor(i / 2) % elements.length] ?? 0,
    isUp: i % 2 === 0,
  });
  return {
    evaluations: 2 * steps * elements.length,
    write(i, into) {
      const { step, element, isUp } = variantOf(i);
      const part = (step + 0.5) / steps;
      for (const at of elements) {
        const absent = absentValue(baseline, at);
        const half = at === element ? (isUp ? 0.5 : -0.5) / steps : 0;
        into[at] = absent + (part + half) * ((row[at] ?? 0) - absent);
      }
    },
    attribute(scores) {
      const sums = new Float64Array(row.length);
      for (let i = 0; i < scores.length; i += 1) {
        const { element, isUp } = variantOf(i);
        sums[element] = (sums[element] ?? 0) + (isUp ? 1 : -1) * (scores[i] ?? 0);
      }
      return Float32Array.from(sums);
    },
  };
}
