import type { Datatype, Tensor } from "../tensors/datatypes.ts";
import type { NpyArray } from "./npy.ts";

/** Largest difference that is called equal, relative to the largest value of the output: other kernels add in another order. */
const TOLERANCE: Readonly<Partial<Record<Datatype, number>>> = { FP16: 5e-3, FP32: 1e-4, FP64: 1e-4 };

export interface Comparison {
  readonly name: string;
  readonly isEqual: boolean;
  /** `label is equal`, `probabilities differs by at most 1.2e-7`. */
  readonly sentence: string;
}

/** What is served against what the trainer saw. */
export function compareOutput(served: Tensor, expected: NpyArray): Comparison {
  const { name } = served;
  const differs = (sentence: string): Comparison => ({ name, isEqual: false, sentence: `${name} ${sentence}` });
  if (served.data.length !== expected.data.length)
    return differs(`has the shape [${served.shape.join(", ")}] where the samples have [${expected.shape.join(", ")}]`);
  if (served.datatype === "BYTES" || expected.datatype === "BYTES") {
    const at = served.data.findIndex((value: unknown, i: number) => String(value) !== String(expected.data[i]));
    if (at === -1) return equal(name);
    return differs(
      `is ${JSON.stringify(String(served.data[at]))} at element ${at} where the samples have ${JSON.stringify(String(expected.data[at]))}`,
    );
  }
  let [largest, largestAt, scale] = [0, 0, 0];
  for (let at = 0; at < served.data.length; at += 1) {
    const [is, was] = [Number(served.data[at]), Number(expected.data[at])];
    if (Number.isFinite(was)) scale = Math.max(scale, Math.abs(was));
    const difference = Object.is(is, was) || is === was ? 0 : Math.abs(is - was);
    if (difference > largest || Number.isNaN(difference))
      [largest, largestAt] = [Number.isNaN(difference) ? Infinity : difference, at];
  }
  if (largest === 0) return equal(name);
  const tolerance = (TOLERANCE[served.datatype] ?? 0) * scale;
  if (largest <= tolerance) return { name, isEqual: true, sentence: `${name} differs by at most ${digits(largest)}` };
  return differs(
    `differs by ${digits(largest)}: element ${largestAt} is ${digits(Number(served.data[largestAt]))} where the samples have ${digits(Number(expected.data[largestAt]))}`,
  );
}

/** Whether two runs gave the same bits. */
export const isSameRun = (one: readonly Tensor[], other: readonly Tensor[]): boolean =>
  one.every(({ data }, i) => data.every((value: unknown, at: number) => Object.is(value, other[i]?.data[at])));

const equal = (name: string): Comparison => ({ name, isEqual: true, sentence: `${name} is equal` });
const digits = (value: number): string => String(Number(value.toPrecision(4)));
