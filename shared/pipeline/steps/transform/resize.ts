import { z } from "zod";
import { RESAMPLINGS, resize as resample } from "../../images/resample.ts";
import { defineStep, StepFault } from "../../step.ts";
import type { TypeOf } from "../../values.ts";

const MAX_EDGE = 4_096;
const MAX_PIXELS = 4_194_304;
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
  build:
    (_type, { width, height, shorter, resampling }) =>
    ({ pictures }) => ({
      kind: "pictures",
      pictures: pictures.map((picture) => {
        const to = width !== undefined && height !== undefined ? { width, height } : shorterTo(picture, shorter ?? 1);
        if (to.width * to.height > MAX_PIXELS)
          throw new StepFault(
            `a picture of ${picture.width} × ${picture.height} would become ${to.width} × ${to.height}; ${MAX_PIXELS} pixels are the most`,
          );
        return resample(picture, to, resampling);
      }),
    }),
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
