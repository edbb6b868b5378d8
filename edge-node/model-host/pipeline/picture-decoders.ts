import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Picture } from "../../../shared/pipeline/values.ts";

/**
 * JPEG by MozJPEG, a build of libjpeg-turbo, and PNG by the Rust crate `png`, both compiled to WebAssembly (jSquash, Apache-2.0): what a
 * damaged file does to a decoder stays in a memory of its own, which a model host bounds to 128 MiB, and the packages hold no
 * binary for a platform. sharp was refused: its libvips is LGPL-3.0.
 */
export interface PictureDecoders {
  readonly decodeJpeg: (bytes: Uint8Array) => Picture;
  readonly decodePng: (bytes: Uint8Array) => Picture;
}

/** The part of Node that its types leave out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

const CHANNELS = 4;

export async function openDecoders(): Promise<PictureDecoders> {
  const { default: openJpeg } = await import("@jsquash/jpeg/codec/dec/mozjpeg_dec.js");
  const { initSync, decode } = await import("@jsquash/png/codec/pkg/squoosh_png.js");
  const jpegModule = await compiled("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm");
  const jpeg = await openJpeg({
    noInitialRun: true,
    instantiateWasm: (imports: object, callback: (instance: object) => void) => {
      const instance = new WebAssembly.Instance(jpegModule, imports);
      callback(instance);
      return instance.exports;
    },
  });
  initSync(await compiled("@jsquash/png/codec/pkg/squoosh_png_bg.wasm"));
  return {
    decodeJpeg: (bytes) => pictureOf(jpeg.decode(bytes, false)),
    decodePng: (bytes) => pictureOf(decode(bytes)),
  };
}

async function compiled(file: string): Promise<object> {
  return new WebAssembly.Module(await readFile(createRequire(import.meta.url).resolve(file)));
}

function pictureOf(decoded: Decoded | null): Picture {
  if (decoded === null) throw new Error("it cannot be decoded");
  const { width, height, data } = decoded;
  return { width, height, channels: CHANNELS, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}
