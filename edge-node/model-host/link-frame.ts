import type { TensorSignature } from "../../shared/inference/shape.ts";

/**
 * What agent and model host say to each other, on one pair of connected sockets. Integers are little-endian, as both ends
 * run on one machine. The agent sends requests; the host first tells how it starts, in events, then answers each
 * request in the order in which they came.
 *
 *   request: u32 request id, u32 header length, u32 body length, u16 most rows, u16 0; body
 *   cancel:  u32 request id, u32 0, u32 0, u16 0, u16 1. Nobody wants the answer any more: a request that has not been taken
 *            up is answered CANCELLED, with no body, and does not run; for any other it means nothing
 *   reply:   u8 kind, u8 code, u16 turn, u32 request id, u32 header length, u32 compute µs, u32 decode µs, u32 encode µs,
 *            u32 body length; body
 */

/** Where the link is in the host: 0–2 are the standard streams. */
export const LINK_FD = 3;

export const REQUEST_HEADER = 16;
export const REPLY_HEADER = 28;

export const REPLY = { EVENT: 1, ANSWER: 2 } as const;

export interface RequestHead {
  readonly requestId: number;
  /** Bytes of the JSON part of the body; `JSON_BODY` for all of it, 0 for raw bytes. */
  readonly headerLength: number;
  readonly bodyLength: number;
  /** Rows that may share a run with it. On each request, so that a changed limit needs no new host. */
  readonly maxRows: number;
  /** Not a request: takes one back. */
  readonly isCancel: boolean;
}

export interface ReplyHead {
  readonly kind: number;
  /** Position in `ANSWER_CODES`. */
  readonly code: number;
  /** Requests that the host took up and answered together, this one included. */
  readonly turn: number;
  readonly requestId: number;
  readonly headerLength: number;
  readonly computeUs: number;
  /** Parts of it: reading the request, and writing the answer. The rest is the run. */
  readonly decodeUs: number;
  readonly encodeUs: number;
  readonly bodyLength: number;
}

/** What an answer says in its code byte: 0 is success. */
export const ANSWER_CODES = [undefined, "INVALID_REQUEST", "NOT_SERVED", "RUN_FAILED", "CANCELLED"] as const;

/** How a start goes on, and what the host found while it serves, as JSON in the body of an EVENT. */
export type HostEvent =
  | {
      readonly event: "loaded";
      readonly inputs: readonly TensorSignature[];
      readonly outputs: readonly TensorSignature[];
      readonly loadMs: number;
    }
  /** `unbatched`: why requests do not share runs; absent when they do. */
  | { readonly event: "ready"; readonly warmUs: number; readonly unbatched?: string }
  /** From now on requests do not share runs. */
  | { readonly event: "sharing-stopped"; readonly reason: string }
  | {
      readonly event: "failed";
      readonly phase: "loading" | "warming";
      readonly outOfMemory: boolean;
      readonly detail: string;
    };

/** The host's only argument, as JSON. */
export interface HostTask {
  readonly model: string;
  readonly version: string;
  /** Absolute path of the file that the runtime loads. */
  readonly file: string;
  /** Why requests may not share a run; absent: trials decide. */
  readonly noBatchReason?: string;
}

export function writeRequestHead(view: DataView, head: RequestHead): void {
  view.setUint32(0, head.requestId, true);
  view.setUint32(4, head.headerLength, true);
  view.setUint32(8, head.bodyLength, true);
  view.setUint16(12, head.maxRows, true);
  view.setUint16(14, head.isCancel ? 1 : 0, true);
}

export const readRequestHead = (view: DataView): RequestHead => ({
  requestId: view.getUint32(0, true),
  headerLength: view.getUint32(4, true),
  bodyLength: view.getUint32(8, true),
  maxRows: view.getUint16(12, true),
  isCancel: view.getUint16(14, true) === 1,
});

export function writeReplyHead(view: DataView, head: ReplyHead): void {
  view.setUint8(0, head.kind);
  view.setUint8(1, head.code);
  view.setUint16(2, head.turn, true);
  view.setUint32(4, head.requestId, true);
  view.setUint32(8, head.headerLength, true);
  view.setUint32(12, head.computeUs, true);
  view.setUint32(16, head.decodeUs, true);
  view.setUint32(20, head.encodeUs, true);
  view.setUint32(24, head.bodyLength, true);
}

export const readReplyHead = (view: DataView): ReplyHead => ({
  kind: view.getUint8(0),
  code: view.getUint8(1),
  turn: view.getUint16(2, true),
  requestId: view.getUint32(4, true),
  headerLength: view.getUint32(8, true),
  computeUs: view.getUint32(12, true),
  decodeUs: view.getUint32(16, true),
  encodeUs: view.getUint32(20, true),
  bodyLength: view.getUint32(24, true),
});
