import { z } from "zod";
import { readMono, readWavHeader } from "../../sound/wav.ts";
import { defineStep, StepFault } from "../../step.ts";

const MAX_RATE = 192_000;
const MAX_SAMPLES = 16_777_216;
const MIB = 1_048_576;
const BYTES_OF_SAMPLE = 4;

const params = z.strictObject({
  /** A file with another one is refused: resampling changes what a model hears. */
  sampleRate: z.number().int().min(1).max(MAX_RATE),
  /** Of all files of a request together. */
  maxSamples: z.number().int().min(1).max(MAX_SAMPLES).default(4_194_304),
});

/** A WAV file in each element → one channel of sound, FP32 from −1 to 1; as `librosa.load(sr=None)` reads it. */
export const decodeWav = defineStep({
  name: "decode-wav",
  phase: "pre",
  takes: ["bytes"],
  params,
  roomMiB: ({ maxSamples }) => Math.ceil((2 * BYTES_OF_SAMPLE * maxSamples) / MIB),
  check: (_type, { sampleRate }) => ({ kind: "signals", sampleRate }),
  build:
    (_type, { sampleRate, maxSamples }) =>
    ({ elements }) => {
      let samples = 0;
      const headers = elements.map((bytes, at) => {
        const header = readWavHeader(bytes);
        if (header.sampleRate !== sampleRate)
          throw new StepFault(`element ${at} has ${header.sampleRate} samples a second; sampleRate is ${sampleRate}`);
        samples += header.samples;
        if (samples > maxSamples)
          throw new StepFault(
            `element ${at} makes ${samples} samples with those before it; maxSamples is ${maxSamples}`,
          );
        return header;
      });
      return {
        kind: "signals",
        signals: headers.map((header, at) => readMono(elements[at] ?? new Uint8Array(), header)),
      };
    },
});
