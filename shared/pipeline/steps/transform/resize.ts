import { z } from "zod";
import { checkNumbers } from "../../limits.ts";
import { Resampler, RESAMPLINGS } from "../../images/resample.ts";
import { defineStep } from "../../step.ts";
import type { TypeOf } from "../../values.ts";

const MAX_EDGE = 4_096;
const edge = z.number().int().min(1).max(MAX_EDGE);

const params = z
  .strictObject({
    /** Both in pixels, of the result. */
    width: edge.optional(),
    height: edge.optional(),
    /** In their place: the length of the shorter edge; the other keeps its ratio and is rounded down, as torchvision's `Resize` does. */
    shorter: edge.optional(),
    /** In Pillow's words. Libraries differ in what they call bilinear: see `images/resample.ts`. */
    resampling: z.enum(RESAMPLINGS),
  })
  .check(({ value, issues }) => {
    const { width, height, shorter } = value;
    const isBoth = width !== undefined && height !== undefined;
    const isNeither = width === undefined && height === undefined;
    if (shorter === undefined ? !isBoth : !isNeither)
      issues.push({ code: "custom", message: "give width and height, or shorter", input: value });
  });

/** Pictures → pictures of another size, 8 bits a sample, as Pillow's `Image.resize` makes them. */
export const resize = defineStep({
  name: "resize",
  phase: "pre",
  takes: ["pictures"],
  params,
  check: ({ channels, ...from }, { width, height, shorter }): TypeOf<"pictures"> => {
    if (width !== undefined && height !== undefined) return { kind: "pictures", channels, width, height };
    const { width: w, height: h } = from;
    if (w === undefined || h === undefined || shorter === undefined) return { kind: "pictures", channels };
    return { kind: "pictures", channels, ...shorterTo({ width: w, height: h }, shorter) };
  },
  build: (_type, { width, height, shorter, resampling }) => {
    const resampler = new Resampler(resampling);
    return ({ pictures }) => {
      const sizes = pictures.map((picture) =>
        width !== undefined && height !== undefined ? { width, height } : shorterTo(picture, shorter ?? 1),
      );
      // Rows become shorter before columns do: a narrow, high picture is largest in between.
      const largest = sizes.map((size, at) => {
        const { height, channels } = pictures[at] ?? { height: 1, channels: 1 };
        return size.width * Math.max(size.height, height) * channels;
      });
      checkNumbers(largest.reduce((sum, numbers) => sum + numbers, 0));
      return {
        kind: "pictures",
        pictures: pictures.map((picture, at) => resampler.resize(picture, sizes[at] ?? picture)),
      };
    };
  },
});

interface Size {
  readonly width: number;
  readonly height: number;
}

function shorterTo({ width, height }: Size, shorter: number): Size {
  return width <= height
    ? { width: shorter, height: Math.trunc((shorter * height) / width) }
    : { width: Math.trunc((shorter * width) / height), height: shorter };
}
