import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ReplyReader } from "../../../../../edge-node/adapters/host-process/reply-reader.ts";
import {
  REPLY,
  REPLY_HEADER,
  WHOLE_ANSWER_BYTES,
  writeReplyHead,
} from "../../../../../edge-node/model-host/link/link-frame.ts";

function encode(requestId: number, body: Uint8Array, bodyLength = body.byteLength): Buffer {
  const head = Buffer.alloc(REPLY_HEADER);
  writeReplyHead(new DataView(head.buffer, head.byteOffset, REPLY_HEADER), {
    kind: REPLY.ANSWER,
    code: 0,
    batchSize: 1,
    requestId,
    headerLength: 7,
    computeUs: 9,
    decodeUs: 2,
    encodeUs: 3,
    bodyLength,
  });
  return Buffer.concat([head, body]);
}

describe("ReplyReader", () => {
  it("gives the same replies however the stream was cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (bodies, cuts) => {
          const stream = Buffer.concat(bodies.map((body, i) => encode(i + 1, body)));
          const reader = new ReplyReader();
          const replies = [];
          for (let at = 0, turn = 0; at < stream.byteLength; turn += 1) {
            const end = at + (cuts[turn % cuts.length] ?? 1);
            replies.push(...reader.push(stream.subarray(at, end)));
            at = end;
          }
          expect(replies.map(({ requestId, body }) => [requestId, [...body]])).toEqual(
            bodies.map((body, i) => [i + 1, [...body]]),
          );
        },
      ),
    );
  });

  it("refuses a body beyond the limit before it makes room for it", () => {
    const reader = new ReplyReader();
    expect(() => reader.push(encode(1, new Uint8Array(0), WHOLE_ANSWER_BYTES + 1))).toThrow("a reply of 1048577 bytes");
  });
});
