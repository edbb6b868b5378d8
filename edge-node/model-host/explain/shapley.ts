import { seededRandom } from "../../../shared/base/random.ts";
import { absentValue, type ExplanationPlan, type NumericRow, presentElements } from "./plan.ts";

const DEFAULT_PERMUTATIONS = 32;

/**
 * Shapley values by sampling: features enter the row one after the other in a random order, and what the score gains when one
 * enters is its contribution; its influence is the mean over the orders (Štrumbelj and Kononenko, "Explaining prediction
 * models and individual predictions with feature contributions", 2014). Absent features have the value of the baseline. Every
 * second order is the one before it backwards, which makes the mean steadier. The influences add up to the score of the row less that
 * of the baseline exactly. The same seed gives the same orders.
 *
 * Costs for each order one evaluation more than there are features that differ from the baseline: 448 for 13 features and 32 orders.
 */
export function shapley(
  row: NumericRow,
  {
    baseline,
    seed,
    samples: permutations = DEFAULT_PERMUTATIONS,
  }: { readonly baseline: readonly number[]; readonly seed: number; readonly samples: number | undefined },
): ExplanationPlan {
  const features = presentElements(row, baseline);
  // Made when the first run needs them: by then the budget has been checked, which bounds them too.
  let made: readonly (readonly number[])[] | undefined;
  const orders = (): readonly (readonly number[])[] => (made ??= ordersOf(features, permutations, seed));
  const perOrder = features.length + 1;
  return {
    evaluations: features.length === 0 ? 0 : permutations * perOrder,
    write(i, into) {
      const entered = i % perOrder;
      const order = orders()[Math.floor(i / perOrder)] ?? [];
      for (const feature of order.slice(entered)) into[feature] = absentValue(baseline, feature);
    },
    attribute(scores) {
      const sums = new Float64Array(row.length);
      for (const [o, order] of orders().entries())
        for (const [i, feature] of order.entries()) {
          const at = o * perOrder + i;
          sums[feature] = (sums[feature] ?? 0) + (scores[at + 1] ?? 0) - (scores[at] ?? 0);
        }
      return Float32Array.from(sums, (sum) => sum / permutations);
    },
  };
}

function ordersOf(features: readonly number[], permutations: number, seed: number): readonly (readonly number[])[] {
  const random = seededRandom(seed);
  const orders: (readonly number[])[] = [];
  while (orders.length < permutations) {
    const order = shuffled(features, () => random.next());
    orders.push(order, order.toReversed());
  }
  return orders.slice(0, permutations);
}

/** Fisher and Yates. */
function shuffled(values: readonly number[], chance: () => number): readonly number[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(chance() * (i + 1));
    const [a, b] = [order[i], order[j]];
    if (a !== undefined && b !== undefined) [order[i], order[j]] = [b, a];
  }
  return order;
}
