import { type AnswerDoubt, answerDoubt } from "../answer-doubt.ts";
import { STREAM_KEY, STREAM_OPERATIONS, type StreamOfRequest, type StreamOperation } from "../kept-streams.ts";
import { fits, FLAG, FRAME_TYPE, type HeadOf, isEnd, type Lengths, parseMeta, writePrefix } from "./frame-prefix.ts";

/**
 * The first frame of a request, control plane to node:
 *
 *   REQUEST (1)  prefix with END or EDGE_ONLY, u32 deadline in ms, u32 body length, u32 header length, u16 meta length,
 *                u16 priority, meta, start of the body
 */
export const REQUEST_HEADER = 24;

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

export interface RequestFrame {
  readonly type: typeof FRAME_TYPE.REQUEST;
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

export function writeRequestHeader(
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

export function decodeRequest(bytes: Uint8Array, view: DataView): RequestFrame | undefined {
  if (bytes.byteLength < REQUEST_HEADER) return undefined;
  const bodyStart = REQUEST_HEADER + view.getUint16(20);
  const meta = parseMeta(bytes.subarray(REQUEST_HEADER, bodyStart));
  const bodyLength = view.getUint32(12);
  if (typeof meta?.["placementId"] !== "string" || !fits(view, bytes.byteLength - bodyStart, bodyLength))
    return undefined;
  const traceparent = meta["traceparent"];
  return {
    type: FRAME_TYPE.REQUEST,
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
