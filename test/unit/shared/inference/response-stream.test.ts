import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ResponseStream } from "../../../../shared/inference/response-stream.ts";
import { StreamCredit } from "../../../../shared/protocol/frames/stream-credit.ts";
import { settle } from "../../../support/test-clock.ts";

const WINDOW = 400;

const aStream = (length?: number, grant: (bytes: number) => void = () => undefined): ResponseStream<string> =>
  new ResponseStream({ length, windowBytes: WINDOW, grant });

async function readAll(stream: ResponseStream<string>): Promise<number[]> {
  const read: number[] = [];
  for (let piece = await stream.next(); piece; piece = await stream.next()) {
    read.push(...piece);
    stream.passed(piece.byteLength);
  }
  return read;
}

describe("ResponseStream", () => {
  it("brings every body over whole, and never holds more than its window, however its pieces and reads fall", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 900 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 200 }),
        async (parts, most) => {
          const body = parts.flatMap((part) => [...part]);
          const credit = new StreamCredit(WINDOW);
          const stream = aStream(body.length, (bytes) => credit.grant(bytes));
          const send = async (): Promise<void> => {
            for (let at = 0; at < body.length;) {
              const taken = await credit.take(Math.min(most, body.length - at));
              expect(stream.push(own(Uint8Array.from(body.slice(at, at + taken))))).toBe(true);
              expect(stream.heldBytes).toBeLessThanOrEqual(WINDOW);
              at += taken;
            }
            stream.finish("figures");
          };
          const [read] = await Promise.all([readAll(stream), send()]);
          expect(read).toEqual(body);
          expect(await stream.ended).toEqual({ kind: "complete", trailer: "figures" });
        },
      ),
      { numRuns: 50 },
    );
  });

  it("stops its sender while nobody reads, and no longer", async () => {
    const credit = new StreamCredit(WINDOW);
    const stream = aStream(undefined, (bytes) => credit.grant(bytes));
    let sent = 0;
    const sending = (async () => {
      for (let taken = await credit.take(100); taken > 0; taken = await credit.take(100)) {
        stream.push(own(new Uint8Array(taken)));
        sent += taken;
      }
    })();
    await settle();
    expect([sent, stream.heldBytes, stream.isSenderFree]).toEqual([WINDOW, WINDOW, false]);
    stream.passed((await stream.next())?.byteLength ?? 0);
    await settle();
    expect(sent).toBe(WINDOW + 100);
    credit.close();
    await sending;
  });

  it("refuses a piece beyond the credit or the length", () => {
    expect(aStream().push(own(new Uint8Array(WINDOW + 1)))).toBe(false);
    expect(aStream(5).push(own(new Uint8Array(6)))).toBe(false);
  });

  it("ends once: a failure frees what nobody read, and a body that is too short is no success", async () => {
    const lost = aStream();
    lost.push(own(new Uint8Array(10)));
    lost.fail("NODE_LOST", "it went away");
    lost.finish("late");
    expect([await lost.next(), lost.heldBytes, lost.cancel()]).toEqual([undefined, 0, false]);
    expect(await lost.ended).toEqual({ kind: "failed", code: "NODE_LOST", detail: "it went away" });
    const short = aStream(3);
    short.push(own(new Uint8Array(2)));
    short.finish("figures");
    expect(await short.ended).toMatchObject({ kind: "failed", code: "NODE_LOST" });
  });

  it.each<[string, string | undefined, (stream: ResponseStream<string>) => void]>([
    ["a whole body", "figures", (stream) => (stream.push(own(new Uint8Array(3))), stream.finish("figures"))],
    ["a body that is too short", "figures", (stream) => stream.finish("figures")],
    ["a failure", "figures", (stream) => stream.fail("RUN_FAILED", "it broke", "figures")],
    ["a sender that is gone", undefined, (stream) => stream.fail("NODE_LOST", "it went away")],
    ["a body that nobody reads any more", "figures", (stream) => (stream.cancel(), stream.finish("figures"))],
  ])("gives what its sender says at the end of %s", async (_, said, end) => {
    const stream = aStream(3);
    end(stream);
    expect(await stream.senderEnd).toBe(said);
  });

  it("wakes its reader when the end comes while it waits", async () => {
    const stream = aStream();
    const next = stream.next();
    stream.cancel();
    expect([await next, await stream.ended]).toEqual([undefined, { kind: "cancelled" }]);
  });
});
