import type { Picture } from "../values.ts";

/** What of a pixel is kept, in Pillow's words: `L` is grey, `RGB` three colours. Alpha is dropped, as Pillow's `convert` does. */
export const MODES = ["L", "RGB"] as const;
export type Mode = (typeof MODES)[number];
export const channelsOf = (mode: Mode): number => (mode === "L" ? 1 : 3);

/** ITU-R 601 weights of 16 binary places, as Pillow has them. */
const RED = 19_595;
const GREEN = 38_470;
const BLUE = 7_471;
const HALF = 0x8000;
const SOURCE_CHANNELS = 4;

/** A picture with alpha in another mode. */
export function toMode({ width, height, data }: Picture, mode: Mode): Picture {
  const channels = channelsOf(mode);
  const pixels = width * height;
  const out = new Uint8Array(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    const at = pixel * SOURCE_CHANNELS;
    const red = data[at] ?? 0;
    const green = data[at + 1] ?? 0;
    const blue = data[at + 2] ?? 0;
    if (mode === "L") out[pixel] = (red * RED + green * GREEN + blue * BLUE + HALF) >> 16;
    else {
      out[pixel * channels] = red;
      out[pixel * channels + 1] = green;
      out[pixel * channels + 2] = blue;
    }
  }
  return { width, height, channels, data: out };
}
