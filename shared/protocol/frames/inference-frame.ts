import { type AnswerDoubt, answerDoubt } from "../answer-doubt.ts";
import { STREAM_KEY, STREAM_OPERATIONS, type StreamOfRequest, type StreamOperation } from "../kept-streams.ts";
import { allocate, own, type OwnedBytes } from "../../bytes/owned-bytes.ts";
import {
  encodeMeta,
  FLAG,
  FRAME_TYPE,
  isEnd,
  parseMeta,
  PREFIX_BYTES,
  VERSION,
  viewOf,
  writePrefix,
} from "./frame-prefix.ts";
import { PieceReader } from "./piece-reader.ts";
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
 * requests interleave. The bodies are Open Inference Protocol bodies, which only the model host reads. The frames of
 * streamed responses are in `stream-frame.ts`.
 */
export const INFERENCE_FRAME = FRAME_TYPE;

/** Header length of a body without binary tensors: plain JSON. 0 means raw bytes. */
export const JSON_BODY = 0xffff_ffff;

const REQUEST_HEADER = 24;
const RESPONSE_HEADER = 44;

export interface RequestMeta {
  readonly placementId: string;
  readonly traceparent?: string;
  /** The path of the request asks for an explanation. An older node answers without one, and does not say `explained`. */
  readonly explain?: true;
  /** When the answer is in doubt: the response says `doubtful` then. An older node does not look at it. */
  readonly doubt?: AnswerDoubt;
  /** The stream that it belongs to. An older node keeps nothing of streams. */
  readonly stream?: StreamOfRequest;
  /** No inference: a question about streams. An older node takes it for an inference without a body, and refuses it. */
  readonly streams?: StreamOperation;
}

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

export interface RequestFrame {
  readonly type: typeof INFERENCE_FRAME.REQUEST;
  readonly requestId: number;
  readonly end: boolean;
  readonly edgeOnly: boolean;
  /** Milliseconds left when the frame was sent. */
  readonly deadlineMs: number;
  readonly bodyLength: number;
  readonly headerLength: number;
  readonly priority: number;
  readonly meta: RequestMeta;
  /** As much of the body as fits this frame. */
  readonly body: Uint8Array;
}

export interface ResponseFrame {
  readonly type: typeof INFERENCE_FRAME.RESPONSE;
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

export interface CancelFrame {
  readonly type: typeof INFERENCE_FRAME.CANCEL;
  readonly requestId: number;
}

export type InferenceFrame = RequestFrame | ResponseFrame | DataFrame | CancelFrame | StreamFrame;

type HeadOf<Frame> = Omit<Frame, "end" | "bodyLength" | "body">;

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

interface Lengths {
  readonly end: number;
  readonly metaLength: number;
  readonly bodyLength: number;
}

function writeRequestHeader(
  view: DataView,
  head: HeadOf<RequestFrame>,
  { end, metaLength, bodyLength }: Lengths,
): void {
  writePrefix(view, head.type, end | (head.edgeOnly ? FLAG.EDGE_ONLY : 0), head.requestId);
  view.setUint32(8, head.deadlineMs);
  view.setUint32(12, bodyLength);
  view.setUint32(16, head.headerLength);
  view.setUint16(20, metaLength);
  view.setUint16(22, head.priority);
}

function writeResponseHeader(
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

function decodeRequest(bytes: Uint8Array, view: DataView): RequestFrame | undefined {
  if (bytes.byteLength < REQUEST_HEADER) return undefined;
  const bodyStart = REQUEST_HEADER + view.getUint16(20);
  const meta = parseMeta(bytes.subarray(REQUEST_HEADER, bodyStart));
  const bodyLength = view.getUint32(12);
  if (typeof meta?.["placementId"] !== "string" || !fits(view, bytes.byteLength - bodyStart, bodyLength))
    return undefined;
  const traceparent = meta["traceparent"];
  return {
    type: INFERENCE_FRAME.REQUEST,
    requestId: view.getUint32(4),
    end: isEnd(view),
    edgeOnly: (view.getUint16(2) & FLAG.EDGE_ONLY) !== 0,
    deadlineMs: view.getUint32(8),
    bodyLength,
    headerLength: view.getUint32(16),
    priority: view.getUint16(22),
    meta: {
      placementId: meta["placementId"],
      ...(typeof traceparent === "string" && { traceparent }),
      ...(meta["explain"] === true && { explain: true }),
      ...doubtIn(meta["doubt"]),
      ...streamsIn(meta),
    },
    body: bytes.subarray(bodyStart),
  };
}

function decodeResponse(bytes: Uint8Array, view: DataView): ResponseFrame | undefined {
  if (bytes.byteLength < RESPONSE_HEADER) return undefined;
  const bodyStart = RESPONSE_HEADER + view.getUint16(28);
  const meta = parseMeta(bytes.subarray(RESPONSE_HEADER, bodyStart));
  const bodyLength = view.getUint32(20);
  if (!meta || !fits(view, bytes.byteLength - bodyStart, bodyLength)) return undefined;
  const code = meta["code"];
  return {
    type: INFERENCE_FRAME.RESPONSE,
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

/** The part here is not longer than the body, and is all of it exactly when END is set. */
const fits = (view: DataView, here: number, bodyLength: number): boolean =>
  here >= 0 && here <= bodyLength && isEnd(view) === (here === bodyLength);

/** One that a newer control plane asks for, and that is not known here, is not measured. */
function doubtIn(value: unknown): Pick<RequestMeta, "doubt"> {
  if (value === undefined) return {};
  const { data } = answerDoubt.safeParse(value);
  return data === undefined ? {} : { doubt: data };
}

/** What is malformed, or not known here, is left out. */
function streamsIn({ stream, streams }: Record<string, unknown>): Pick<RequestMeta, "stream" | "streams"> {
  const key = isObject(stream) ? stream["key"] : undefined;
  const op = isObject(streams) ? STREAM_OPERATIONS.find((each) => each === streams["op"]) : undefined;
  const of = isObject(streams) ? streams["key"] : undefined;
  return {
    ...(typeof key === "string" &&
      STREAM_KEY.test(key) && {
        stream: { key, ...(isObject(stream) && stream["alone"] === true && { alone: true as const }) },
      }),
    ...(op !== undefined && {
      streams: {
        op,
        ...(typeof of === "string" && STREAM_KEY.test(of) && { key: of }),
        ...(isObject(streams) && streams["forCloud"] === true && { forCloud: true as const }),
      },
    }),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
