import { seededRandom } from "../../../shared/base/random.ts";

const SAMPLES = 65_536;

/** Draws of a distribution with mean 1, out of a table: drawing anew measured half of a run. */
export type Draw = (random: { next(): number }) => number;

function fromTable(values: Float64Array): Draw {
  let sum = 0;
  for (const value of values) sum += value;
  const scale = values.length / sum;
  for (let index = 0; index < values.length; index += 1) values[index] = (values[index] ?? 0) * scale;
  return (random) => values[Math.floor(random.next() * SAMPLES)] ?? 1;
}

/** `cv`: standard deviation over mean. */
export function lognormal(cv: number): Draw {
  const random = seededRandom(20_260_101);
  const sigma = Math.sqrt(Math.log(1 + cv * cv));
  // Box and Muller, 1958.
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return fromTable(Float64Array.from({ length: SAMPLES }, () => Math.exp(sigma * normal())));
}

export function exponential(): Draw {
  return fromTable(Float64Array.from({ length: SAMPLES }, (_, index) => -Math.log(1 - (index + 0.5) / SAMPLES)));
}

/** A share of the draws is so many times longer; the mean grows with it. */
export function withOutliers(draw: Draw, { share, times }: { share: number; times: number }): Draw {
  return (random) => draw(random) * (random.next() < share ? times : 1);
}
