import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import type { Picture, TypeOf } from "../../values.ts";

const MAX_EDGE = 65_535;
const length = z.number().int().min(1).max(MAX_EDGE);
const place = z.number().int().min(0).max(MAX_EDGE);

const params = z
  .strictObject({
    /** Of the part that stays, in pixels. */
    width: length,
    height: length,
    /** Its upper left corner; left out: it is in the middle, as torchvision's `CenterCrop` cuts it. */
    left: place.optional(),
    top: place.optional(),
  })
  .check(({ value, issues }) => {
    if ((value.left === undefined) !== (value.top === undefined))
      issues.push({ code: "custom", message: "give left and top, or neither", input: value });
  });
type Params = z.infer<typeof params>;

/** Pictures → a part of each. A picture that is smaller is refused. */
export const crop = defineStep({
  name: "crop",
  phase: "pre",
  takes: ["pictures"],
  params,
  check: ({ channels, width, height }, part): TypeOf<"pictures"> => {
    if (width !== undefined && height !== undefined) cornerOf({ width, height }, part);
    return { kind: "pictures", channels, width: part.width, height: part.height };
  },
  build:
    (_type, part) =>
    ({ pictures }) => ({ kind: "pictures", pictures: pictures.map((picture) => cut(picture, part)) }),
});

function cornerOf(from: { readonly width: number; readonly height: number }, { width, height, left, top }: Params) {
  const x = left ?? middle(from.width - width);
  const y = top ?? middle(from.height - height);
  if (x < 0 || y < 0 || x + width > from.width || y + height > from.height)
    throw new StepFault(`a picture of ${from.width} × ${from.height} has no part of ${width} × ${height} there`);
  return { x, y };
}

/** Half of it; of two equally near whole numbers the even one, as Python rounds. */
function middle(rest: number): number {
  const half = rest / 2;
  return Number.isInteger(half) ? half : 2 * Math.round(half / 2);
}

function cut(picture: Picture, part: Params): Picture {
  const { x, y } = cornerOf(picture, part);
  const { width, height } = part;
  const { channels, data } = picture;
  const out = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row += 1) {
    const from = ((y + row) * picture.width + x) * channels;
    out.set(data.subarray(from, from + width * channels), row * width * channels);
  }
  return { width, height, channels, data: out };
}
