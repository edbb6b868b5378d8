import { allocate, own, type OwnedBytes } from "../../bytes/owned-bytes.ts";
import { type Usage, usage } from "../../text/usage.ts";
import { encodeMeta, FLAG, FRAME_TYPE, isEnd, parseMeta, PREFIX_BYTES, viewOf, writePrefix } from "./frame-prefix.ts";

/**
 * The frames of a streamed response, node to control plane: one RESPONSE_HEAD, any number of DATA, one TRAILERS. DATA
 * frames carry no more bytes than the receiver has granted: `INITIAL_CREDIT_BYTES`, and what its CREDIT frames add.
 *
 *   RESPONSE_HEAD (5)  prefix, u16 HTTP status, u16 meta length, u32 header length, u32 body length, u32 queue µs,
 *                      u32 compute µs, meta
 *   TRAILERS (6)       prefix with END, u16 node RIF, u16 placement RIF, u32 queue µs, u32 compute µs, u32 mean µs,
 *                      u32 p95 µs, u16 slots, u16 meta length, meta
 *   CREDIT (7)         prefix, u32 bytes more; control plane to node
 */

/** Body length of a response whose end is not known when its head is sent. */
export const UNKNOWN_LENGTH = 0xffff_ffff;

const HEAD_HEADER = 28;
const TRAILERS_HEADER = 32;
const CREDIT_BYTES = 12;
export const DATA_HEADER = 12;
const MAX_DETAIL = 500;

export interface ResponseHeadFrame {
  readonly type: typeof FRAME_TYPE.RESPONSE_HEAD;
  readonly requestId: number;
  readonly status: number;
  readonly headerLength: number;
  /** Of the whole body; `UNKNOWN_LENGTH` when only the trailers will say that it is over. */
  readonly bodyLength: number;
  readonly queueUs: number;
  /** Of the whole run when it is over by now, else 0: the trailers say it. */
  readonly computeUs: number;
  /**
   * `doubtful`: the model host measured its doubt, as it was asked to, and is in doubt. `explained`: the request asked for an
   * explanation. An older receiver ignores them.
   */
  readonly meta: { readonly code?: string; readonly doubtful?: true; readonly explained?: true };
}

export interface TrailersFrame {
  readonly type: typeof FRAME_TYPE.TRAILERS;
  readonly requestId: number;
  readonly nodeInFlight: number;
  readonly placementInFlight: number;
  readonly queueUs: number;
  readonly computeUs: number;
  readonly meanUs: number;
  readonly p95Us: number;
  readonly slots: number;
  /**
   * `code`, and for a person `detail`: why the body is not whole; absent when it is. `usage`: of an answer in text, as far as
   * it came. An older receiver ignores what it does not know.
   */
  readonly meta: { readonly code?: string; readonly detail?: string; readonly usage?: Usage };
}

export interface CreditFrame {
  readonly type: typeof FRAME_TYPE.CREDIT;
  readonly requestId: number;
  /** Bytes of DATA that may be sent beyond those granted before. */
  readonly bytes: number;
}

export interface DataFrame {
  readonly type: typeof FRAME_TYPE.DATA;
  readonly requestId: number;
  readonly end: boolean;
  /** Of its first byte in the body, modulo 2³². */
  readonly offset: number;
  readonly body: Uint8Array;
}

export type StreamFrame = ResponseHeadFrame | TrailersFrame | CreditFrame;

export function encodeResponseHead(head: Omit<ResponseHeadFrame, "type">): OwnedBytes {
  const meta = encodeMeta(head.meta);
  const bytes = allocate(HEAD_HEADER + meta.byteLength);
  const view = viewOf(bytes);
  writePrefix(view, FRAME_TYPE.RESPONSE_HEAD, 0, head.requestId);
  view.setUint16(8, head.status);
  view.setUint16(10, meta.byteLength);
  view.setUint32(12, head.headerLength);
  view.setUint32(16, head.bodyLength);
  view.setUint32(20, head.queueUs);
  view.setUint32(24, head.computeUs);
  bytes.set(meta, HEAD_HEADER);
  return bytes;
}

export function encodeTrailers(trailers: Omit<TrailersFrame, "type">): OwnedBytes {
  const meta = encodeMeta(trailers.meta);
  const bytes = allocate(TRAILERS_HEADER + meta.byteLength);
  const view = viewOf(bytes);
  writePrefix(view, FRAME_TYPE.TRAILERS, FLAG.END, trailers.requestId);
  view.setUint16(8, Math.min(trailers.nodeInFlight, 0xffff));
  view.setUint16(10, Math.min(trailers.placementInFlight, 0xffff));
  view.setUint32(12, trailers.queueUs);
  view.setUint32(16, trailers.computeUs);
  view.setUint32(20, trailers.meanUs);
  view.setUint32(24, trailers.p95Us);
  view.setUint16(28, trailers.slots);
  view.setUint16(30, meta.byteLength);
  bytes.set(meta, TRAILERS_HEADER);
  return bytes;
}

export function encodeCredit(requestId: number, bytes: number): OwnedBytes {
  const frame = own(new Uint8Array(CREDIT_BYTES));
  const view = viewOf(frame);
  writePrefix(view, FRAME_TYPE.CREDIT, 0, requestId);
  view.setUint32(8, bytes);
  return frame;
}

/** One DATA frame of a stream; the trailers, not its END flag, tell that the body is over. Copies `body`. */
export function encodeStreamData(requestId: number, offset: number, body: Uint8Array): OwnedBytes {
  const bytes = allocate(DATA_HEADER + body.byteLength);
  const view = viewOf(bytes);
  writePrefix(view, FRAME_TYPE.DATA, 0, requestId);
  view.setUint32(8, offset % 2 ** 32);
  bytes.set(body, DATA_HEADER);
  return bytes;
}

export function decodeData(bytes: Uint8Array, view: DataView): DataFrame | undefined {
  if (bytes.byteLength < DATA_HEADER) return undefined;
  return {
    type: FRAME_TYPE.DATA,
    requestId: view.getUint32(4),
    end: isEnd(view),
    offset: view.getUint32(8),
    body: bytes.subarray(DATA_HEADER),
  };
}

export function decodeResponseHead(bytes: Uint8Array, view: DataView): ResponseHeadFrame | undefined {
  if (bytes.byteLength < HEAD_HEADER) return undefined;
  const meta = metaAt(bytes, HEAD_HEADER, view.getUint16(10));
  return (
    meta && {
      type: FRAME_TYPE.RESPONSE_HEAD,
      requestId: view.getUint32(4),
      status: view.getUint16(8),
      headerLength: view.getUint32(12),
      bodyLength: view.getUint32(16),
      queueUs: view.getUint32(20),
      computeUs: view.getUint32(24),
      meta,
    }
  );
}

export function decodeTrailers(bytes: Uint8Array, view: DataView): TrailersFrame | undefined {
  if (bytes.byteLength < TRAILERS_HEADER || !isEnd(view)) return undefined;
  const meta = trailerMetaAt(bytes, TRAILERS_HEADER, view.getUint16(30));
  return (
    meta && {
      type: FRAME_TYPE.TRAILERS,
      requestId: view.getUint32(4),
      nodeInFlight: view.getUint16(8),
      placementInFlight: view.getUint16(10),
      queueUs: view.getUint32(12),
      computeUs: view.getUint32(16),
      meanUs: view.getUint32(20),
      p95Us: view.getUint32(24),
      slots: view.getUint16(28),
      meta,
    }
  );
}

export function decodeCredit(bytes: Uint8Array, view: DataView): CreditFrame | undefined {
  if (bytes.byteLength !== PREFIX_BYTES + 4) return undefined;
  return { type: FRAME_TYPE.CREDIT, requestId: view.getUint32(4), bytes: view.getUint32(8) };
}

/** A usage that is none is left out: the answer is whole all the same. */
function trailerMetaAt(bytes: Uint8Array, at: number, length: number): TrailersFrame["meta"] | undefined {
  if (bytes.byteLength !== at + length) return undefined;
  const meta = parseMeta(bytes.subarray(at));
  if (meta === undefined) return undefined;
  const { code, detail } = meta;
  const found = usage.safeParse(meta["usage"]);
  return {
    ...(typeof code === "string" && { code }),
    ...(typeof detail === "string" && { detail: detail.slice(0, MAX_DETAIL) }),
    ...(found.success && { usage: found.data }),
  };
}

/** The meta that is all of the rest of a frame; undefined when it is not. */
function metaAt(bytes: Uint8Array, at: number, length: number): ResponseHeadFrame["meta"] | undefined {
  if (bytes.byteLength !== at + length) return undefined;
  const meta = parseMeta(bytes.subarray(at));
  const code = meta?.["code"];
  return (
    meta && {
      ...(typeof code === "string" && { code }),
      ...(meta["doubtful"] === true && { doubtful: true }),
      ...(meta["explained"] === true && { explained: true }),
    }
  );
}
