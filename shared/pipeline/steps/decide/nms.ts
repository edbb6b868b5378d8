import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import type { ValueOf } from "../../values.ts";
import { labelOf, labels } from "./scores.ts";

const COORDINATES = 4;
const MAX_BOXES = 65_536;
const MAX_KEPT = 1_000;
const params = z.strictObject({
  /** `rows`: [pictures, boxes, 4 + classes]; `columns`: [pictures, 4 + classes, boxes], as YOLOv8 puts them out. */
  boxes: z.enum(["rows", "columns"]),
  /** `corners`: left, top, right, bottom; `centre`: x, y, width, height. */
  format: z.enum(["corners", "centre"]),
  labels: labels.optional(),
  /** Boxes with a smaller score do not count. */
  score: z.number().min(0).max(1).default(0.25),
  /** Of two boxes of a class that overlap by more (intersection over union), the one with the smaller score goes. */
  overlap: z.number().min(0).max(1).default(0.45),
  /** Most boxes of a picture. */
  most: z.number().int().min(1).max(MAX_KEPT).default(100),
});

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly score: number;
  readonly place: number;
}

/**
 * Boxes with a score for each class → those that are left by non-maximum suppression, class by class, as a JSON array of
 * `{label, score, box: [left, top, right, bottom]}`, best first; as `torchvision.ops.batched_nms`. Confidence is that of the first, 0 of none.
 */
export const nms = defineStep({
  name: "nms",
  phase: "decide",
  takes: ["tensor"],
  params,
  check: ({ datatype, shape }, { boxes, labels: named }) => {
    const width = shape[boxes === "rows" ? 2 : 1] ?? -1;
    if (datatype !== "FP32" || shape.length !== 3 || (width !== -1 && width <= COORDINATES))
      throw new StepFault("takes FP32 with 4 coordinates and a score for each class of every box");
    if (named !== undefined && width !== -1 && named.length !== width - COORDINATES)
      throw new StepFault(`labels has ${named.length} names, and there are ${width - COORDINATES} classes`);
    return { kind: "decision" };
  },
  build: (_type, given) => (value) => {
    const [pictures = 0] = value.shape;
    const found = Array.from({ length: pictures }, (_, picture) => keptOf(boxesOf(value, picture, given), given));
    return {
      kind: "decision",
      labels: found.map((boxes) =>
        JSON.stringify(
          boxes.map(({ place, score, left, top, right, bottom }) => ({
            label: labelOf(given.labels, place),
            score,
            box: [left, top, right, bottom],
          })),
        ),
      ),
      confidence: Float32Array.from(found, ([first]) => first?.score ?? 0),
    };
  },
});

/** Boxes whose best class is good enough. */
function boxesOf(
  { shape, data }: ValueOf<"tensor">,
  picture: number,
  { boxes, format, score: least }: z.infer<typeof params>,
): readonly Box[] {
  const [, second = 0, third = 0] = shape;
  const [count, width] = boxes === "rows" ? [second, third] : [third, second];
  if (count > MAX_BOXES) throw new StepFault(`a picture has ${count} boxes; ${MAX_BOXES} are the most`);
  const start = picture * count * width;
  const at = (box: number, field: number): number =>
    Number(data[start + (boxes === "rows" ? box * width + field : field * count + box)]);
  const found: Box[] = [];
  for (let box = 0; box < count; box += 1) {
    let place = 0;
    for (let other = 1; other < width - COORDINATES; other += 1)
      if (at(box, COORDINATES + other) > at(box, COORDINATES + place)) place = other;
    const score = at(box, COORDINATES + place);
    if (!(score >= least)) continue;
    const [a, b, c, d] = [at(box, 0), at(box, 1), at(box, 2), at(box, 3)];
    found.push(
      format === "corners"
        ? { left: a, top: b, right: c, bottom: d, score, place }
        : { left: a - c / 2, top: b - d / 2, right: a + c / 2, bottom: b + d / 2, score, place },
    );
  }
  return found;
}

function keptOf(boxes: readonly Box[], { overlap, most }: z.infer<typeof params>): readonly Box[] {
  const kept: Box[] = [];
  for (const box of boxes.toSorted((a, b) => b.score - a.score)) {
    if (kept.length === most) break;
    if (!kept.some((other) => other.place === box.place && overlapOf(other, box) > overlap)) kept.push(box);
  }
  return kept;
}

const areaOf = ({ left, top, right, bottom }: Omit<Box, "score" | "place">): number =>
  Math.max(0, right - left) * Math.max(0, bottom - top);

function overlapOf(a: Box, b: Box): number {
  const both = areaOf({
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  });
  const union = areaOf(a) + areaOf(b) - both;
  return union === 0 ? 0 : both / union;
}
