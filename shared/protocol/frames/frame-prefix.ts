/** What every frame of the inference channel begins with: u8 version = 1, u8 type, u16 flags, u32 request id, big-endian. */

/** 5 to 7 only between peers that both have the feature `response-streams`. */
export const FRAME_TYPE = {
  REQUEST: 1,
  RESPONSE: 2,
  DATA: 3,
  CANCEL: 4,
  RESPONSE_HEAD: 5,
  TRAILERS: 6,
  CREDIT: 7,
} as const;

export const FLAG = { END: 1, NOT_STARTED: 2, EDGE_ONLY: 4 } as const;

export const VERSION = 1;
export const PREFIX_BYTES = 8;
const MAX_META_BYTES = 4_096;

const decoder = new TextDecoder("utf-8", { fatal: true });

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function writePrefix(view: DataView, type: number, flags: number, requestId: number): void {
  view.setUint8(0, VERSION);
  view.setUint8(1, type);
  view.setUint16(2, flags);
  view.setUint32(4, requestId);
}

export const isEnd = (view: DataView): boolean => (view.getUint16(2) & FLAG.END) !== 0;

/** Of the first frame of a message: what follows from the lengths of its meta and of its body. */
export interface Lengths {
  /** `FLAG.END` when all of the body is in this frame, else 0. */
  readonly end: number;
  readonly metaLength: number;
  readonly bodyLength: number;
}

/** What an encoder is given of a frame; the rest follows from the body. */
export type HeadOf<Frame> = Omit<Frame, "end" | "bodyLength" | "body">;

/** The part here is not longer than the body, and is all of it exactly when END is set. */
export const fits = (view: DataView, here: number, bodyLength: number): boolean =>
  here >= 0 && here <= bodyLength && isEnd(view) === (here === bodyLength);

/** Throws `RangeError` when the meta is larger than a frame may carry. */
export function encodeMeta(meta: object): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(meta));
  if (bytes.byteLength > MAX_META_BYTES)
    throw new RangeError(`meta of ${bytes.byteLength} bytes; the limit is ${MAX_META_BYTES}`);
  return bytes;
}

/** Undefined when the bytes are not a JSON object. */
export function parseMeta(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
