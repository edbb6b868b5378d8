import { fits, FLAG, FRAME_TYPE, type HeadOf, isEnd, type Lengths, parseMeta, writePrefix } from "./frame-prefix.ts";

/**
 * The first frame of a response that is not streamed, node to control plane:
 *
 *   RESPONSE (2)  prefix with END or NOT_STARTED, u16 HTTP status, u16 node RIF, u32 queue µs, u32 compute µs, u32 body length,
 *                 u32 header length, u16 meta length, u16 placement RIF, u32 mean µs, u32 p95 µs, u16 slots, u16 reserved,
 *                 meta, start of the body
 */
export const RESPONSE_HEADER = 44;

export interface ResponseMeta {
  /** Error code from the catalog, when the status is not 200. */
  readonly code?: string;
  /** The model host measured its doubt, as it was asked to, and is in doubt. */
  readonly doubtful?: true;
  /** The request asked for an explanation: its time says nothing about a run of the model. */
  readonly explained?: true;
  /** Another node may know the stream of the request: it was not executed. */
  readonly streamMissing?: true;
}

export interface ResponseFrame {
  readonly type: typeof FRAME_TYPE.RESPONSE;
  readonly requestId: number;
  readonly end: boolean;
  /** The model did not run: another node may be asked. */
  readonly wasNotExecuted: boolean;
  readonly status: number;
  readonly nodeInFlight: number;
  readonly queueUs: number;
  readonly computeUs: number;
  readonly bodyLength: number;
  readonly headerLength: number;
  readonly placementInFlight: number;
  readonly meanUs: number;
  readonly p95Us: number;
  readonly slots: number;
  readonly meta: ResponseMeta;
  readonly body: Uint8Array;
}

export function writeResponseHeader(
  view: DataView,
  head: HeadOf<ResponseFrame>,
  { end, metaLength, bodyLength }: Lengths,
): void {
  writePrefix(view, head.type, end | (head.wasNotExecuted ? FLAG.NOT_STARTED : 0), head.requestId);
  view.setUint16(8, head.status);
  view.setUint16(10, Math.min(head.nodeInFlight, 0xffff));
  view.setUint32(12, head.queueUs);
  view.setUint32(16, head.computeUs);
  view.setUint32(20, bodyLength);
  view.setUint32(24, head.headerLength);
  view.setUint16(28, metaLength);
  view.setUint16(30, Math.min(head.placementInFlight, 0xffff));
  view.setUint32(32, head.meanUs);
  view.setUint32(36, head.p95Us);
  view.setUint16(40, head.slots);
  view.setUint16(42, 0); // reserved; `allocate` clears nothing
}

export function decodeResponse(bytes: Uint8Array, view: DataView): ResponseFrame | undefined {
  if (bytes.byteLength < RESPONSE_HEADER) return undefined;
  const bodyStart = RESPONSE_HEADER + view.getUint16(28);
  const meta = parseMeta(bytes.subarray(RESPONSE_HEADER, bodyStart));
  const bodyLength = view.getUint32(20);
  if (!meta || !fits(view, bytes.byteLength - bodyStart, bodyLength)) return undefined;
  const code = meta["code"];
  return {
    type: FRAME_TYPE.RESPONSE,
    requestId: view.getUint32(4),
    end: isEnd(view),
    wasNotExecuted: (view.getUint16(2) & FLAG.NOT_STARTED) !== 0,
    status: view.getUint16(8),
    nodeInFlight: view.getUint16(10),
    queueUs: view.getUint32(12),
    computeUs: view.getUint32(16),
    bodyLength,
    headerLength: view.getUint32(24),
    placementInFlight: view.getUint16(30),
    meanUs: view.getUint32(32),
    p95Us: view.getUint32(36),
    slots: view.getUint16(40),
    meta: {
      ...(typeof code === "string" && { code }),
      ...(meta["doubtful"] === true && { doubtful: true }),
      ...(meta["explained"] === true && { explained: true }),
      ...(meta["streamMissing"] === true && { streamMissing: true }),
    },
    body: bytes.subarray(bodyStart),
  };
}
