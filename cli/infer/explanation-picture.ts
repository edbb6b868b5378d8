import { encode } from "fast-png";
import { rowLayout } from "../../shared/inference/explain/layout.ts";
import { usageFailure } from "../failure.ts";

/** The shorter side of the picture, about: a digit of 28 × 28 becomes one of 280 × 280. */
const SHORTER_SIDE = 280;
/** Brighter than this no grey is drawn, so that the colours of the map are seen on white. */
const BRIGHTEST = 235;

/** Red for what speaks for the answer, blue for what speaks against it. */
const FOR = [220, 30, 30] as const;
const AGAINST = [30, 70, 220] as const;

/**
 * The first row of an input as a PNG: its values in grey, the influence of each place over it in red and blue, the stronger the
 * more opaque. Throws a usage failure for an input that has no two sides.
 */
export function explanationPicture(of: {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly influences: readonly number[];
}): Uint8Array {
  const { axes, channels } = rowLayout(of.shape.slice(1));
  const [down, across] = axes;
  if (down === undefined || across === undefined || axes.length > 2)
    throw usageFailure("--png needs an input that is a picture", `this one has the shape [${of.shape.join(", ")}]`);
  const place = (values: readonly number[], row: number, column: number): number => {
    let sum = 0;
    for (let channel = 0; channel < channels.count; channel += 1)
      sum += values[row * down.step + column * across.step + channel * channels.step] ?? 0;
    return sum / channels.count;
  };
  const grid = (values: readonly number[]): readonly (readonly number[])[] =>
    Array.from({ length: down.size }, (_, row) =>
      Array.from({ length: across.size }, (_1, column) => place(values, row, column)),
    );
  const [picture, map] = [grid(of.values), grid(of.influences)];
  const [darkest, brightest] = [Math.min(...picture.flat()), Math.max(...picture.flat())];
  const strongest = Math.max(...map.flat().map(Math.abs), Number.MIN_VALUE);
  const scale = Math.max(1, Math.round(SHORTER_SIDE / Math.min(down.size, across.size)));
  const [height, width] = [down.size * scale, across.size * scale];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const [row, column] = [Math.floor(y / scale), Math.floor(x / scale)];
      const grey = (((picture[row]?.[column] ?? 0) - darkest) / (brightest - darkest || 1)) * BRIGHTEST;
      const influence = (map[row]?.[column] ?? 0) / strongest;
      const colour = influence > 0 ? FOR : AGAINST;
      const at = (y * width + x) * 3;
      colour.forEach((value, i) => (data[at + i] = Math.round(grey + Math.abs(influence) * (value - grey))));
    }
  return encode({ width, height, data, depth: 8, channels: 3 });
}
