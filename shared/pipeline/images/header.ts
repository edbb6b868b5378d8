import { StepFault } from "../step.ts";

/** What the first bytes of a picture say, read before any of it is decoded. */
export interface PictureHeader {
  readonly format: "jpeg" | "png";
  readonly width: number;
  readonly height: number;
}

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Signature, then the length and name of the first chunk, then its fields. */
const PNG_HEADER_BYTES = 26;
const EIGHT_BITS = 8;

/** Throws `StepFault` for what is neither a JPEG nor a PNG file, or one of a form that is not read. */
export function readPictureHeader(bytes: Uint8Array): PictureHeader {
  if (PNG_SIGNATURE.every((byte, at) => bytes[at] === byte)) return readPng(bytes);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return readJpeg(bytes);
  throw new StepFault("it is neither a JPEG nor a PNG file");
}

function readPng(bytes: Uint8Array): PictureHeader {
  if (bytes.byteLength < PNG_HEADER_BYTES) throw new StepFault("the PNG file ends in its header");
  const view = viewOf(bytes);
  const bits = view.getUint8(24);
  if (bits > EIGHT_BITS) throw new StepFault(`the PNG file has ${bits} bits in a sample; up to ${EIGHT_BITS} are read`);
  return { format: "png", width: view.getUint32(16), height: view.getUint32(20) };
}

/** Markers without a length behind them: TEM, and the restarts. */
const isAlone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);
/** The frame headers: all of 0xC0–0xCF but the tables of Huffman and arithmetic coding, and JPG. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
const END_OF_IMAGE = 0xd9;
const START_OF_SCAN = 0xda;

function readJpeg(bytes: Uint8Array): PictureHeader {
  const view = viewOf(bytes);
  let at = 2;
  while (at + 4 <= bytes.byteLength) {
    if (view.getUint8(at) !== 0xff) break;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff || isAlone(marker)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    if (marker === START_OF_SCAN || marker === END_OF_IMAGE) break;
    const length = view.getUint16(at + 2);
    if (isFrame(marker)) {
      if (at + 10 > bytes.byteLength) break;
      const components = view.getUint8(at + 9);
      if (components !== 1 && components !== 3)
        throw new StepFault(`the JPEG file has ${components} components; grey ones and those with 3 are read`);
      return { format: "jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
    at += 2 + length;
  }
  throw new StepFault("the JPEG file has no frame header");
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
