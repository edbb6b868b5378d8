/**
 * Binary frames of the transfer channel: u8 version = 1, u8 type, u16 flags, u32 chunk, u32 offset, payload.
 * Integers are big-endian.
 */
export const TRANSFER_FRAME = { MANIFEST: 1, CHUNK: 2 } as const;
export type TransferFrameType = (typeof TRANSFER_FRAME)[keyof typeof TRANSFER_FRAME];

export const TRANSFER_HEADER_BYTES = 12;
const VERSION = 1;
const END = 1;

export interface TransferFrame {
  readonly type: TransferFrameType;
  /** No frame follows in this round. */
  readonly end: boolean;
  readonly chunk: number;
  /** The payload's offset in its chunk (or in the manifest), in bytes. */
  readonly offset: number;
  readonly payload: Uint8Array;
}

/** The twelve bytes before the payload. */
export function encodeTransferHeader(frame: Omit<TransferFrame, "payload">): Uint8Array {
  const header = new DataView(new ArrayBuffer(TRANSFER_HEADER_BYTES));
  header.setUint8(0, VERSION);
  header.setUint8(1, frame.type);
  header.setUint16(2, frame.end ? END : 0);
  header.setUint32(4, frame.chunk);
  header.setUint32(8, frame.offset);
  return new Uint8Array(header.buffer);
}

/** The frame in `bytes`, its payload a view of them; `undefined` when they are not one. */
export function decodeTransferFrame(bytes: Uint8Array): TransferFrame | undefined {
  if (bytes.byteLength < TRANSFER_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint8(1);
  if (view.getUint8(0) !== VERSION || (type !== TRANSFER_FRAME.MANIFEST && type !== TRANSFER_FRAME.CHUNK))
    return undefined;
  return {
    type,
    end: (view.getUint16(2) & END) !== 0,
    chunk: view.getUint32(4),
    offset: view.getUint32(8),
    payload: bytes.subarray(TRANSFER_HEADER_BYTES),
  };
}
