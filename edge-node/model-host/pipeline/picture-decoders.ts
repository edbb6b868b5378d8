import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Tools } from "../../../shared/pipeline/step.ts";
import type { Picture } from "../../../shared/pipeline/values.ts";
import { openJpegDecoder } from "./jpeg-decoder.ts";

/**
 * JPEG by libjpeg-turbo, and PNG by the Rust crate `png` (jSquash, Apache-2.0), both compiled to WebAssembly: what a damaged file does
 * to a decoder stays in a memory of its own, which a model host bounds to 128 MiB, and the packages hold no binary for a platform. sharp
 * was refused: its libvips is LGPL-3.0.
 */
export type PictureDecoders = Pick<Tools, "decodeJpeg" | "decodePng">;

interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

const CHANNELS = 4;

export async function openDecoders(): Promise<PictureDecoders> {
  const { initSync, decode } = await import("@jsquash/png/codec/pkg/squoosh_png.js");
  initSync(await compiled("@jsquash/png/codec/pkg/squoosh_png_bg.wasm"));
  return { decodeJpeg: await openJpegDecoder(), decodePng: (bytes) => pictureOf(decode(bytes)) };
}

/** The part of Node that its types leave out. */
declare const WebAssembly: { readonly Module: new (bytes: Uint8Array) => object };

async function compiled(file: string): Promise<object> {
  return new WebAssembly.Module(await readFile(createRequire(import.meta.url).resolve(file)));
}

function pictureOf({ width, height, data }: Decoded): Picture {
  return { width, height, channels: CHANNELS, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}
