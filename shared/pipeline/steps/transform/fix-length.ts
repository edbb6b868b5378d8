import { z } from "zod";
import { checkNumbers } from "../../limits.ts";
import { defineStep } from "../../step.ts";

const MAX_SAMPLES = 4_194_304;
const params = z.strictObject({ samples: z.number().int().min(1).max(MAX_SAMPLES) });

/** Sound of any length → sound of one length: the end is cut off, or silence is added; as `librosa.util.fix_length`. */
export const fixLength = defineStep({
  name: "fix-length",
  phase: "pre",
  takes: ["signals"],
  params,
  check: ({ sampleRate }, { samples }) => ({ kind: "signals", sampleRate, samples }),
  build:
    (_type, { samples }) =>
    ({ signals }) => {
      checkNumbers(signals.length * samples);
      return {
        kind: "signals",
        signals: signals.map((signal) => {
          const out = new Float32Array(samples);
          out.set(signal.subarray(0, samples));
          return out;
        }),
      };
    },
});
