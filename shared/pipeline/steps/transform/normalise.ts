import { z } from "zod";
import { checkNumbers } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import type { TypeOf } from "../../values.ts";

const MAX_CHANNELS = 4;
const perChannel = z.array(z.number()).min(1).max(MAX_CHANNELS);

const params = z.strictObject({
  /** Samples are divided by it first: 255 makes 0–1 of them. */
  divide: z.number().positive().default(255),
  /** Then these are subtracted, and the result divided by those; one for each channel, or one for all. */
  mean: perChannel.default([0]),
  std: z.array(z.number().positive()).min(1).max(MAX_CHANNELS).default([1]),
});

const LEVELS = 256;

/**
 * Pictures of one size → FP32 [pictures, height, width, channels]. Computed in FP32 in the order of torchvision's `ToTensor` and
 * `Normalize`: divide, subtract, divide.
 */
export const normalise = defineStep({
  name: "normalise",
  phase: "pre",
  takes: ["pictures"],
  params,
  check: ({ channels, width, height }, { mean, std }): TypeOf<"tensor"> => {
    if (width === undefined || height === undefined)
      throw new StepFault("pictures of any size make no tensor: resize or crop them to one width and height before it");
    for (const [name, list] of [
      ["mean", mean],
      ["std", std],
    ] as const)
      if (list.length !== 1 && list.length !== channels)
        throw new StepFault(`${name} has ${list.length} numbers, and the pictures have ${channels} channels`);
    return { kind: "tensor", datatype: "FP32", shape: [-1, height, width, channels] };
  },
  build({ channels, width = 0, height = 0 }, { divide, mean, std }) {
    // A sample has one of 256 values, so what becomes of each is known beforehand.
    const tables = Array.from({ length: channels }, (_, channel) =>
      tableOf(divide, mean[channel] ?? mean[0] ?? 0, std[channel] ?? std[0] ?? 1),
    );
    const size = width * height * channels;
    return ({ pictures }) => {
      checkNumbers(pictures.length * size);
      const data = new Float32Array(pictures.length * size);
      for (const [at, picture] of pictures.entries())
        for (let i = 0; i < size; i += 1) {
          const table = tables[i % channels];
          data[at * size + i] = table?.[picture.data[i] ?? 0] ?? 0;
        }
      return { kind: "tensor", datatype: "FP32", shape: [pictures.length, height, width, channels], data };
    };
  },
});

function tableOf(divide: number, mean: number, std: number): Float32Array {
  const table = new Float32Array(LEVELS);
  for (let level = 0; level < LEVELS; level += 1) {
    const divided = Math.fround(level / Math.fround(divide));
    table[level] = Math.fround(Math.fround(divided - Math.fround(mean)) / Math.fround(std));
  }
  return table;
}
