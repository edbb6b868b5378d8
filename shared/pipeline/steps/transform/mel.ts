import { z } from "zod";
import {
  frameAt,
  frameCount,
  hann,
  melBands,
  powerIn,
  powerOf,
  spectrumOperations,
  toDecibels,
} from "../../sound/spectrum.ts";
import { checkNumbers, checkOperations } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import type { TypeOf } from "../../values.ts";
import { isPowerOfTwo } from "./fft.ts";

const MAX_SIZE = 16_384;
const params = z.strictObject({
  /** Samples of a frame, a power of two, and from one frame to the next: librosa's `n_fft` and `hop_length`. */
  size: z.number().int().min(16).max(MAX_SIZE).refine(isPowerOfTwo, "a power of two is needed").default(2_048),
  hop: z.number().int().min(1).max(MAX_SIZE).default(512),
  bands: z.number().int().min(1).max(512).default(128),
  fromHz: z.number().min(0).default(0),
  /** Left out: half the sample rate. */
  toHz: z.number().positive().optional(),
  /** Decibels, none more than so many below the largest of its recording; left out: powers. */
  decibels: z.number().positive().max(200).optional(),
});

/**
 * Sound → FP32 [elements, bands, frames]; as `librosa.feature.melspectrogram` with its defaults: Hann, centred frames with 0
 * outside, powers, Slaney's scale and areas. With `decibels` as `librosa.power_to_db(ref=1.0, top_db=…)` after it.
 */
export const mel = defineStep({
  name: "mel",
  phase: "pre",
  takes: ["signals"],
  params,
  check: ({ sampleRate, samples }, { size, hop, bands, fromHz, toHz = sampleRate / 2 }): TypeOf<"tensor"> => {
    if (samples === undefined) throw new StepFault("sound of any length makes no tensor: put fix-length before it");
    if (toHz > sampleRate / 2 || fromHz >= toHz)
      throw new StepFault(`the bands are from ${fromHz} to ${toHz} Hz; they must rise, to ${sampleRate / 2} at most`);
    const frames = frameCount(samples, hop);
    checkNumbers(bands * frames);
    checkOperations(spectrumOperations(frames, size));
    return { kind: "tensor", datatype: "FP32", shape: [-1, bands, frames] };
  },
  build({ sampleRate, samples = 1 }, { size, hop, bands, fromHz, toHz = sampleRate / 2, decibels }, { realFft }) {
    const transform = realFft(size);
    const window = hann(size);
    const filters = melBands({ sampleRate, size, bands, fromHz, toHz });
    const frames = frameCount(samples, hop);
    return ({ signals }) => {
      checkNumbers(signals.length * bands * frames);
      checkOperations(signals.length * spectrumOperations(frames, size));
      const data = new Float32Array(signals.length * bands * frames);
      for (const [at, signal] of signals.entries()) {
        const one = data.subarray(at * bands * frames, (at + 1) * bands * frames);
        for (let frame = 0; frame < frames; frame += 1) {
          const power = powerOf(frameAt(signal, frame * hop, window), transform);
          for (const [band, filter] of filters.entries()) one[band * frames + frame] = powerIn(power, filter);
        }
        if (decibels !== undefined) toDecibels(one, decibels);
      }
      return { kind: "tensor", datatype: "FP32", shape: [signals.length, bands, frames], data };
    };
  },
});
