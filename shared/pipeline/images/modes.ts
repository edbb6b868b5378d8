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

/** A picture of three colours, with alpha or without, in another mode. */
export function toMode(picture: Picture, mode: Mode): Picture {
  const { width, height, channels, data } = picture;
  if (channels === channelsOf(mode)) return picture;
  const pixels = width * height;
  const made = mode === "L" ? grey(data, pixels, channels) : colours(data, pixels, channels);
  return { width, height, channels: channelsOf(mode), data: made };
}

function grey(data: Uint8Array, pixels: number, channels: number): Uint8Array {
  const out = new Uint8Array(pixels);
  for (let pixel = 0, at = 0; pixel < pixels; pixel += 1, at += channels)
    out[pixel] = ((data[at] ?? 0) * RED + (data[at + 1] ?? 0) * GREEN + (data[at + 2] ?? 0) * BLUE + HALF) >> 16;
  return out;
}

function colours(data: Uint8Array, pixels: number, channels: number): Uint8Array {
  const out = new Uint8Array(pixels * 3);
  for (let pixel = 0, at = 0, to = 0; pixel < pixels; pixel += 1, at += channels, to += 3) {
    out[to] = data[at] ?? 0;
    out[to + 1] = data[at + 1] ?? 0;
    out[to + 2] = data[at + 2] ?? 0;
  }
  return out;
}
