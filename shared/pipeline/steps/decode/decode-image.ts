import { z } from "zod";
import { type PictureHeader, readPictureHeader } from "../../images/header.ts";
import { channelsOf, MODES, toMode } from "../../images/modes.ts";
import { defineStep, type JpegForm, StepFault, type Tools } from "../../step.ts";
import type { Picture } from "../../values.ts";

const MIB = 1_048_576;
const FORMATS = ["jpeg", "png"] as const;
/** Four bytes for each pixel in the decoder's memory, of which a model host gives it 128 MiB. */
const MAX_PIXELS = 16 * MIB;
const DEFAULT_PIXELS = 4 * MIB;
const MAX_BYTES = 8 * MIB;
/** By what a draft may divide edges, the most first. */
const REDUCTIONS = [8, 4, 2, 1] as const;
/** Below, libjpeg would divide by another number. */
const MIN_REDUCED_EDGE = 8;
/** Of a pixel: four in the decoder, four as they leave it, three as they stay, and as many in a decoder that reads a progressive file. */
const BYTES_OF_PIXEL = 18;
const DECODER_MIB = 32;

const edge = z.number().int().min(1).max(65_535);

const params = z.strictObject({
  /** Others are refused. */
  formats: z.array(z.enum(FORMATS)).min(1).max(FORMATS.length).default(["jpeg", "png"]),
  /** As in Pillow: `L` grey, `RGB` three colours. */
  mode: z.enum(MODES).default("RGB"),
  /** Pillow's `draft(mode, (width, height))`: JPEG files are decoded smaller, with no edge below these, and `L` from luma alone. */
  draft: z.strictObject({ width: edge, height: edge }).optional(),
  /** Of all pictures of a request together, as their files have them. */
  maxPixels: z.number().int().min(1).max(MAX_PIXELS).default(DEFAULT_PIXELS),
  /** Of one file. */
  maxBytes: z.number().int().min(1).max(MAX_BYTES).default(MAX_BYTES),
});
type Params = z.infer<typeof params>;

/**
 * A JPEG or PNG file in each element → pictures, 8 bits a sample. JPEG by libjpeg-turbo's slow integer transform, which is Pillow's
 * default too; grey out of colours by ITU-R 601. A draft leaves out what a smaller picture does not need: the values are Pillow's for the
 * same call, and others than those of the whole picture resized. The header is read first: a picture over its limit is never decoded. Orientation
 * in EXIF is not followed, as Pillow does not without `exif_transpose`.
 */
export const decodeImage = defineStep({
  name: "decode-image",
  phase: "pre",
  takes: ["bytes"],
  params,
  idleField: ({ formats, draft }) =>
    draft !== undefined && !formats.includes("jpeg")
      ? "draft: it is for JPEG files, which `formats` leaves out: leave out the draft, or take jpeg"
      : undefined,
  roomMiB: ({ maxPixels }) => DECODER_MIB + Math.ceil((maxPixels * BYTES_OF_PIXEL) / MIB),
  check: (_type, { mode }) => ({ kind: "pictures", channels: channelsOf(mode) }),
  build(_type, given, tools) {
    return ({ elements }) => {
      checkPixels(elements, given);
      return { kind: "pictures", pictures: elements.map((bytes, at) => decode(bytes, at, { given, tools })) };
    };
  },
});

function checkPixels(elements: readonly Uint8Array[], { formats, maxPixels, maxBytes }: Params): void {
  let pixels = 0;
  for (const [at, bytes] of elements.entries()) {
    if (bytes.byteLength > maxBytes)
      throw new StepFault(`element ${at} has ${bytes.byteLength} bytes; maxBytes is ${maxBytes}`);
    const { format, width, height } = named(at, () => readPictureHeader(bytes));
    if (!formats.includes(format))
      throw new StepFault(`element ${at} is a ${format} file; this step takes ${formats.join(" and ")}`);
    if (width === 0 || height === 0) throw new StepFault(`element ${at} has ${width} × ${height} pixels`);
    pixels += width * height;
    if (pixels > maxPixels)
      throw new StepFault(
        `element ${at} has ${width} × ${height} pixels, ${pixels} with those before it; maxPixels is ${maxPixels}`,
      );
  }
}

function decode(
  bytes: Uint8Array,
  at: number,
  { given, tools }: { readonly given: Params; readonly tools: Tools },
): Picture {
  const header = readPictureHeader(bytes);
  const { format, width, height } = header;
  let picture: Picture;
  try {
    picture = format === "jpeg" ? tools.decodeJpeg(bytes, jpegForm(header, given)) : tools.decodePng(bytes);
  } catch {
    throw new StepFault(`element ${at} is damaged: it begins as a ${format} file and cannot be decoded`);
  }
  if (format === "png" && (picture.width !== width || picture.height !== height))
    throw new StepFault(`element ${at} says ${width} × ${height} pixels and has ${picture.width} × ${picture.height}`);
  return toMode(picture, given.mode);
}

function jpegForm({ width, height }: PictureHeader, { mode, draft }: Params): JpegForm {
  const of = { width, height };
  if (draft === undefined) return { width, height, channels: 3, of };
  const most = Math.min(Math.floor(width / draft.width), Math.floor(height / draft.height));
  const isTiny = Math.max(width, height) < MIN_REDUCED_EDGE;
  const by = isTiny ? 1 : (REDUCTIONS.find((each) => most >= each) ?? 1);
  return { width: Math.ceil(width / by), height: Math.ceil(height / by), channels: mode === "L" ? 1 : 3, of };
}

function named<Result>(at: number, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new StepFault(`element ${at}: ${Error.isError(error) ? error.message : String(error)}`);
  }
}
