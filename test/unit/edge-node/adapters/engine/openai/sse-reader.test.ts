import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { SseReader } from "../../../../../../edge-node/adapters/engine/openai/sse-reader.ts";

const TEXT = [
  'data: {"a":"é€😀"}\n\n',
  ": a comment keeps the connection open\n\n",
  'event: message\r\nid: 7\r\ndata: {"b":2}\r\n\r\n',
  "data: one\ndata: two\n\n",
  'error: {"code":500,"message":"no memory"}\n\n',
  "data: [DONE]\n\n",
].join("");
const EVENTS = ['{"a":"é€😀"}', '{"b":2}', "one\ntwo", '{"error":{"code":500,"message":"no memory"}}', "[DONE]"];

describe("the reader of server-sent events", () => {
  it("finds the same events however their bytes are cut", () => {
    const bytes = new TextEncoder().encode(TEXT);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const reader = new SseReader();
        const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const found = at.slice(1).flatMap((end, index) => reader.push(bytes.subarray(at[index], end)));
        expect(found).toEqual(EVENTS);
      }),
    );
  });

  it("refuses an event without an end", () => {
    const reader = new SseReader();
    const part = new TextEncoder().encode("x".repeat(65_536));
    expect(() => {
      for (let each = 0; each < 20; each += 1) reader.push(part);
    }).toThrow(RangeError);
  });
});
