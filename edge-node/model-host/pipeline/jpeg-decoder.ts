import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { JpegForm } from "../../../shared/pipeline/step.ts";
import type { Picture } from "../../../shared/pipeline/values.ts";

/** The part of Node that its types leave out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: TurboJpeg };
};

/** What the package exports of the TurboJPEG API; addresses are of its memory, 0 where there is no room. */
interface TurboJpeg {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly malloc: (bytes: number) => number;
  readonly free: (address: number) => void;
  readonly tjInitDecompress: () => number;
  readonly tjDecompressHeader3: (
    handle: number,
    file: number,
    bytes: number,
    ...to: readonly [width: number, height: number, subsampling: number, colourSpace: number]
  ) => number;
  readonly tjDecompress2: (
    handle: number,
    file: number,
    bytes: number,
    pixels: number,
    ...as: readonly [width: number, pitch: number, height: number, format: number, flags: number]
  ) => number;
}

/** A decoder with its memory: of one that fails nothing is used again. */
interface Decoder {
  readonly turbo: TurboJpeg;
  readonly handle: number;
  /** Where the header's four numbers go. */
  readonly header: number;
}

const FORMATS = { 1: 6, 3: 0 } as const;
const HEADER_BYTES = 16;
const FILE = "@cwasm/jpeg-turbo/jpeg-turbo.wasm";

/**
 * libjpeg-turbo, compiled to WebAssembly (`@cwasm/jpeg-turbo`, MIT), by the functions that the package's own `decode` calls: that one gives
 * whole pictures of four channels alone. What a damaged file does to it stays in a memory of its own, which a model host bounds to 128 MiB.
 * Throws for what is no such file, or another one than `of` says; faults that libjpeg goes on after, such as a missing end, are passed over.
 */
export async function openJpegDecoder(): Promise<(file: Uint8Array, form: JpegForm) => Picture> {
  const module = new WebAssembly.Module(await readFile(createRequire(import.meta.url).resolve(FILE)));
  let decoder: Decoder | undefined;
  return (file, form) => {
    decoder ??= start(module);
    try {
      return decode(decoder, file, form);
    } catch (error) {
      // Its stack and what it had of memory are lost.
      decoder = undefined;
      throw error;
    }
  };
}

function start(module: object): Decoder {
  const none = (): number => 0;
  const fails = (): never => {
    throw new Error("it cannot be decoded");
  };
  const wasi = {
    environ_sizes_get: none,
    environ_get: fails,
    proc_exit: fails,
    fd_close: fails,
    fd_seek: fails,
    fd_write: fails,
  };
  const imports = { env: { setjmp: none, longjmp: fails }, wasi_snapshot_preview1: wasi };
  const turbo = new WebAssembly.Instance(module, imports).exports;
  return { turbo, handle: room(turbo.tjInitDecompress()), header: room(turbo.malloc(HEADER_BYTES)) };
}

function decode(
  { turbo, handle, header }: Decoder,
  file: Uint8Array,
  { width, height, channels, of }: JpegForm,
): Picture {
  const bytes = file.byteLength;
  const size = width * height * channels;
  const from = room(turbo.malloc(bytes));
  new Uint8Array(turbo.memory.buffer, from, bytes).set(file);
  const to = room(turbo.malloc(size));
  // What a file leaves out must not be pixels of another one.
  new Uint8Array(turbo.memory.buffer, to, size).fill(0);
  turbo.tjDecompressHeader3(handle, from, bytes, header, header + 4, header + 8, header + 12);
  const [itsWidth, itsHeight] = new Int32Array(turbo.memory.buffer, header, 2);
  if (itsWidth !== of.width || itsHeight !== of.height) throw new Error("its header cannot be read");
  turbo.tjDecompress2(handle, from, bytes, to, width, width * channels, height, FORMATS[channels], 0);
  const data = new Uint8Array(turbo.memory.buffer, to, size).slice();
  turbo.free(from);
  turbo.free(to);
  return { width, height, channels, data };
}

function room(address: number): number {
  if (address === 0) throw new Error("it needs more memory than a decoder has");
  return address;
}
