import { allocate, own, type OwnedBytes } from "../../bytes/owned-bytes.ts";
import {
  encodeMeta,
  FLAG,
  FRAME_TYPE,
  type HeadOf,
  PREFIX_BYTES,
  VERSION,
  viewOf,
  writePrefix,
} from "./frame-prefix.ts";
import { PieceReader } from "./piece-reader.ts";
import { decodeRequest, REQUEST_HEADER, type RequestFrame, writeRequestHeader } from "./request-frame.ts";
import { decodeResponse, RESPONSE_HEADER, type ResponseFrame, writeResponseHeader } from "./response-frame.ts";
import {
  DATA_HEADER,
  type DataFrame,
  decodeCredit,
  decodeData,
  decodeResponseHead,
  decodeTrailers,
  type StreamFrame,
} from "./stream-frame.ts";

/**
 * Binary frames of the inference channel. All begin u8 version = 1, u8 type, u16 flags, u32 request id; integers are
 * big-endian. A body longer than one message goes on in DATA frames, in order, END on the last; frames of different
 * requests interleave. The bodies are Open Inference Protocol bodies, which only the model host reads. Each kind of
 * first frame has a file: `request-frame.ts`, `response-frame.ts`, and `stream-frame.ts` for streamed responses.
 */
export const INFERENCE_FRAME = FRAME_TYPE;

/** Header length of a body without binary tensors: plain JSON. 0 means raw bytes. */
export const JSON_BODY = 0xffff_ffff;

export interface CancelFrame {
  readonly type: typeof INFERENCE_FRAME.CANCEL;
  readonly requestId: number;
}

export type InferenceFrame = RequestFrame | ResponseFrame | DataFrame | CancelFrame | StreamFrame;

/**
 * The messages that carry one request or response: the first with header, meta and the start of the body, then DATA. Each
 * is at most `maxBytes` long. `pieces` are the body as it came from the network: it is copied once, into the messages.
 */
export function encodeMessages(
  head: HeadOf<RequestFrame> | HeadOf<ResponseFrame>,
  pieces: readonly Uint8Array[],
  maxBytes: number,
): OwnedBytes[] {
  const isRequest = head.type === INFERENCE_FRAME.REQUEST;
  const meta = encodeMeta(head.meta);
  const fixed = isRequest ? REQUEST_HEADER : RESPONSE_HEADER;
  const bodyLength = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const body = new PieceReader(pieces);
  const first = Math.min(bodyLength, maxBytes - fixed - meta.byteLength);
  const bytes = allocate(fixed + meta.byteLength + first);
  const view = viewOf(bytes);
  const lengths = { end: first === bodyLength ? FLAG.END : 0, metaLength: meta.byteLength, bodyLength };
  if (isRequest) writeRequestHeader(view, head, lengths);
  else writeResponseHeader(view, head, lengths);
  bytes.set(meta, fixed);
  body.fill(bytes, fixed + meta.byteLength);
  const messages = [bytes];
  for (let offset = first; offset < bodyLength;) {
    const data = dataMessage(head.requestId, { body, offset, bodyLength, maxBytes });
    offset += data.byteLength - DATA_HEADER;
    messages.push(data);
  }
  return messages;
}

function dataMessage(
  requestId: number,
  part: { readonly body: PieceReader; readonly offset: number; readonly bodyLength: number; readonly maxBytes: number },
): OwnedBytes {
  const { body, offset, bodyLength, maxBytes } = part;
  const bytes = allocate(Math.min(maxBytes, DATA_HEADER + bodyLength - offset));
  const view = viewOf(bytes);
  const isLast = offset + bytes.byteLength - DATA_HEADER === bodyLength;
  writePrefix(view, INFERENCE_FRAME.DATA, isLast ? FLAG.END : 0, requestId);
  view.setUint32(8, offset);
  body.fill(bytes, DATA_HEADER);
  return bytes;
}

export function encodeCancel(requestId: number): OwnedBytes {
  const bytes = own(new Uint8Array(PREFIX_BYTES));
  writePrefix(new DataView(bytes.buffer), INFERENCE_FRAME.CANCEL, 0, requestId);
  return bytes;
}

/** The frame in `bytes`, its body a view of them; `undefined` when they are not one (the socket closes 4400). */
export function decodeInferenceFrame(bytes: Uint8Array): InferenceFrame | undefined {
  if (bytes.byteLength < PREFIX_BYTES) return undefined;
  const view = viewOf(bytes);
  const requestId = view.getUint32(4);
  if (view.getUint8(0) !== VERSION || requestId === 0) return undefined;
  switch (view.getUint8(1)) {
    case INFERENCE_FRAME.REQUEST:
      return decodeRequest(bytes, view);
    case INFERENCE_FRAME.RESPONSE:
      return decodeResponse(bytes, view);
    case INFERENCE_FRAME.DATA:
      return decodeData(bytes, view);
    case INFERENCE_FRAME.CANCEL:
      return { type: INFERENCE_FRAME.CANCEL, requestId };
    case INFERENCE_FRAME.RESPONSE_HEAD:
      return decodeResponseHead(bytes, view);
    case INFERENCE_FRAME.TRAILERS:
      return decodeTrailers(bytes, view);
    case INFERENCE_FRAME.CREDIT:
      return decodeCredit(bytes, view);
    default:
      return undefined;
  }
}
