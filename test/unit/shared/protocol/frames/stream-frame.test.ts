import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { commonFeatures, FEATURE } from "../../../../../shared/protocol/features.ts";
import { decodeInferenceFrame, INFERENCE_FRAME } from "../../../../../shared/protocol/frames/inference-frame.ts";
import {
  encodeCredit,
  encodeResponseHead,
  encodeStreamData,
  encodeTrailers,
} from "../../../../../shared/protocol/frames/stream-frame.ts";

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const requestId = fc.integer({ min: 1, max: 0xffff_ffff });
const meta = fc
  .option(fc.string({ maxLength: 40 }), { nil: undefined })
  .map((code) => (code === undefined ? {} : { code }));

describe("the frames of a streamed response", () => {
  it("bring heads, trailers, credit and data over whole", () => {
    const head = fc.record({
      requestId,
      status: u16,
      headerLength: u32,
      bodyLength: u32,
      queueUs: u32,
      computeUs: u32,
      meta: fc.oneof(meta, fc.constant({ doubtful: true as const })),
    });
    const trailers = fc.record({
      requestId,
      nodeInFlight: u16,
      placementInFlight: u16,
      queueUs: u32,
      computeUs: u32,
      meanUs: u32,
      p95Us: u32,
      slots: u16,
      meta,
    });
    fc.assert(
      fc.property(head, trailers, u32, fc.uint8Array({ maxLength: 300 }), (aHead, aTrailer, number, bytes) => {
        const id = aHead.requestId;
        expect(decodeInferenceFrame(encodeResponseHead(aHead))).toEqual({
          type: INFERENCE_FRAME.RESPONSE_HEAD,
          ...aHead,
        });
        expect(decodeInferenceFrame(encodeTrailers(aTrailer))).toEqual({ type: INFERENCE_FRAME.TRAILERS, ...aTrailer });
        expect(decodeInferenceFrame(encodeCredit(id, number))).toEqual({
          type: INFERENCE_FRAME.CREDIT,
          requestId: id,
          bytes: number,
        });
        const data = decodeInferenceFrame(encodeStreamData(id, number, bytes));
        expect(data).toMatchObject({ type: INFERENCE_FRAME.DATA, requestId: id, end: false, offset: number });
        expect(data?.type === INFERENCE_FRAME.DATA && Buffer.from(data.body).equals(bytes)).toBe(true);
      }),
    );
  });

  it("are refused when they are cut or longer than they say", () => {
    const head = encodeResponseHead({
      requestId: 1,
      status: 200,
      headerLength: 0,
      bodyLength: 10,
      queueUs: 0,
      computeUs: 0,
      meta: {},
    });
    for (const bytes of [head.subarray(0, 20), head.subarray(0, -1), Buffer.concat([head, Buffer.from("x")])])
      expect(decodeInferenceFrame(bytes)).toBeUndefined();
    expect(decodeInferenceFrame(encodeCredit(1, 5).subarray(0, 10))).toBeUndefined();
  });

  it("are used only where both peers know them", () => {
    expect(commonFeatures([])).toEqual([]);
    expect(commonFeatures(["of-the-future", FEATURE.RESPONSE_STREAMS])).toEqual([FEATURE.RESPONSE_STREAMS]);
  });
});
