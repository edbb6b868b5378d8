import { z } from "zod";
import { hann, powerOf, spectrumOperations } from "../../sound/spectrum.ts";
import { checkNumbers, checkOperations } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import type { TypeOf } from "../../values.ts";

const MAX_SIZE = 65_536;
const params = z.strictObject({
  /** What the samples are multiplied with before. */
  window: z.enum(["none", "hann"]).default("none"),
  output: z.enum(["magnitude", "power"]).default("magnitude"),
});

/** Sound of one length, a power of two → FP32 [elements, length ÷ 2 + 1]; as `numpy.abs(numpy.fft.rfft(x))`. */
export const fft = defineStep({
  name: "fft",
  phase: "pre",
  takes: ["signals"],
  params,
  check: ({ samples }): TypeOf<"tensor"> => {
    if (samples === undefined || !isPowerOfTwo(samples) || samples > MAX_SIZE)
      throw new StepFault(`takes sound of one length, a power of two up to ${MAX_SIZE}: put fix-length before it`);
    return { kind: "tensor", datatype: "FP32", shape: [-1, samples / 2 + 1] };
  },
  build: ({ samples = 2 }, { window, output }, { realFft }) => {
    const transform = realFft(samples);
    const weights = window === "hann" ? hann(samples) : new Float64Array(samples).fill(1);
    const bins = samples / 2 + 1;
    return ({ signals }) => {
      checkNumbers(signals.length * bins);
      checkOperations(spectrumOperations(signals.length, samples));
      const data = new Float32Array(signals.length * bins);
      for (const [at, signal] of signals.entries()) {
        const power = powerOf(
          weights.map((weight, i) => weight * (signal[i] ?? 0)),
          transform,
        );
        data.set(output === "power" ? power : power.map(Math.sqrt), at * bins);
      }
      return { kind: "tensor", datatype: "FP32", shape: [signals.length, bins], data };
    };
  },
});

export const isPowerOfTwo = (value: number): boolean => value >= 2 && Number.isInteger(Math.log2(value));
