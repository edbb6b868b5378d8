import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { BodyAssembly } from "../../../../../shared/protocol/frames/body-assembly.ts";
import {
  decodeInferenceFrame,
  encodeMessages,
  INFERENCE_FRAME,
} from "../../../../../shared/protocol/frames/inference-frame.ts";
import type { RequestFrame } from "../../../../../shared/protocol/frames/request-frame.ts";
import type { ResponseFrame } from "../../../../../shared/protocol/frames/response-frame.ts";

const MAX_BYTES = 200;

const request = {
  type: INFERENCE_FRAME.REQUEST,
  requestId: 7,
  edgeOnly: true,
  deadlineMs: 1_500,
  headerLength: 12,
  priority: 3,
  meta: { placementId: "p-1", traceparent: "00-x" },
} as const;

const response = {
  type: INFERENCE_FRAME.RESPONSE,
  requestId: 9,
  wasNotExecuted: false,
  status: 200,
  nodeInFlight: 2,
  queueUs: 10,
  computeUs: 20,
  headerLength: 0,
  placementInFlight: 1,
  meanUs: 30,
  p95Us: 40,
  slots: 1,
  meta: {},
} as const;

/** What the other side puts together. */
function received(messages: readonly Uint8Array[]): RequestFrame | ResponseFrame | undefined {
  const bodies = new BodyAssembly<RequestFrame | ResponseFrame>();
  for (const message of messages) {
    const frame = decodeInferenceFrame(message);
    if (
      frame?.type !== INFERENCE_FRAME.DATA &&
      frame?.type !== INFERENCE_FRAME.REQUEST &&
      frame?.type !== INFERENCE_FRAME.RESPONSE
    )
      return undefined;
    const assembled = frame.type === INFERENCE_FRAME.DATA ? bodies.continue(frame) : bodies.begin(frame);
    if (assembled.kind === "complete") return assembled.frame;
    if (assembled.kind !== "partial") return undefined;
  }
  return undefined;
}

const pieces = fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 8 });

describe("the frames of an inference", () => {
  it.each<[string, typeof request | typeof response]>([
    ["request", request],
    ["response", response],
  ])("bring a %s over whole, however its body was cut, in messages within the bound", (_what, head) => {
    fc.assert(
      fc.property(pieces, (body) => {
        const whole = Buffer.concat(body);
        const messages = encodeMessages(head, body, MAX_BYTES);
        expect(Math.max(...messages.map(({ byteLength }) => byteLength))).toBeLessThanOrEqual(MAX_BYTES);
        const frame = received(messages);
        expect(frame).toMatchObject({ ...head, end: true, bodyLength: whole.byteLength });
        expect(Buffer.compare(Buffer.from(frame?.body ?? []), whole)).toBe(0);
      }),
    );
  });

  it("are nothing when bytes are missing at their end", () => {
    const [first = new Uint8Array(0)] = encodeMessages(request, [new Uint8Array(20)], MAX_BYTES);
    for (let length = 0; length < first.byteLength; length += 1)
      expect(decodeInferenceFrame(first.subarray(0, length))).toBeUndefined();
  });
});
