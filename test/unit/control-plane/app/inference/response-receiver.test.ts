import { describe, expect, it } from "@jest/globals";
import { forwardStream } from "../../../../../shared/inference/http/forward-stream.ts";
import { type NodeStream, PendingRequests } from "../../../../../control-plane/app/inference/pending-requests.ts";
import { ResponseReceiver } from "../../../../../control-plane/app/inference/response-receiver.ts";
import type { InferenceChannel } from "../../../../../control-plane/ports/nodes/channels.ts";
import { decodeInferenceFrame, INFERENCE_FRAME } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { INITIAL_CREDIT_BYTES, STREAM_STALL_MS } from "../../../../../shared/protocol/limits.ts";
import { UNKNOWN_LENGTH } from "../../../../../shared/protocol/frames/stream-frame.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const PIECE = 65_000;

/** A node's channel: what it was granted, and whether it was closed. */
function aChannel() {
  const pending = new PendingRequests();
  const granted = new Map<number, number>();
  const closed: string[] = [];
  const channel: InferenceChannel = {
    send: ([message]) => {
      const frame = message && decodeInferenceFrame(message);
      if (frame?.type === INFERENCE_FRAME.CREDIT)
        granted.set(frame.requestId, (granted.get(frame.requestId) ?? 0) + frame.bytes);
      return true;
    },
    close: (_code, reason) => void closed.push(reason),
    lastByteAt: () => 0,
  };
  const receiver = new ResponseReceiver(pending, channel);
  /** A node that keeps to its credit. */
  const aNodeAnswer = async (bodyLength: number) => {
    const { requestId, outcome } = pending.begin(1_000);
    receiver.onFrame({
      type: INFERENCE_FRAME.RESPONSE_HEAD,
      requestId,
      status: 200,
      headerLength: 0,
      bodyLength,
      queueUs: 0,
      computeUs: 0,
      meta: {},
    });
    const head = await outcome;
    if (head.kind !== "streaming") throw new Error(`the attempt is ${head.kind}`);
    let sent = 0;
    /** Sends what it may; true when something could be sent. */
    const send = (): boolean => {
      const may = INITIAL_CREDIT_BYTES + (granted.get(requestId) ?? 0) - sent;
      const bytes = Math.min(PIECE, bodyLength - sent, may);
      if (bytes <= 0) return false;
      receiver.onFrame({
        type: INFERENCE_FRAME.DATA,
        requestId,
        end: false,
        offset: sent,
        body: new Uint8Array(bytes),
      });
      sent += bytes;
      return true;
    };
    const end = (code?: string): void =>
      receiver.onFrame({
        type: INFERENCE_FRAME.TRAILERS,
        requestId,
        nodeInFlight: 0,
        placementInFlight: 0,
        queueUs: 0,
        computeUs: 0,
        meanUs: 0,
        p95Us: 0,
        slots: 1,
        meta: code === undefined ? {} : { code },
      });
    return { requestId, stream: head.stream, send, end, sent: () => sent };
  };
  return { pending, receiver, closed, aNodeAnswer };
}

/** An HTTP response whose socket takes bytes only when told to. */
class Reader {
  readonly waiting: { readonly bytes: number; readonly done: () => void }[] = [];
  bytes = 0;
  fate: "open" | "ended" | "destroyed" = "open";

  write(piece: Uint8Array, done: () => void): boolean {
    this.waiting.push({ bytes: piece.byteLength, done });
    return false;
  }

  /** Takes what was written. */
  take(): void {
    for (const { bytes, done } of this.waiting.splice(0)) {
      this.bytes += bytes;
      done();
    }
  }

  end(): this {
    this.fate = "ended";
    return this;
  }

  destroy(): this {
    this.fate = "destroyed";
    return this;
  }
}

type Forwarded = Parameters<typeof forwardStream<unknown>>;

const forward = (stream: NodeStream, reader: Reader, clock = new TestClock(), failureOf?: Forwarded[3]) =>
  forwardStream(stream, reader as unknown as Forwarded[1], clock, failureOf);

describe("a streamed answer", () => {
  it("hears what an answer took whose caller has gone, and nothing when its node goes too", async () => {
    const { pending, aNodeAnswer } = aChannel();
    const [heard, unheard] = [await aNodeAnswer(PIECE), await aNodeAnswer(PIECE)];
    for (const { requestId, stream } of [heard, unheard]) {
      expect(pending.cancel(requestId)).toBe(true);
      expect(await stream.ended).toEqual({ kind: "cancelled" });
    }
    heard.end("CANCELLED");
    pending.loseAll();
    expect(await heard.stream.senderEnd).toMatchObject({ meta: { code: "CANCELLED" } });
    expect(await unheard.stream.senderEnd).toBeUndefined();
  });

  it("forgets the oldest answers whose callers have gone when their nodes say nothing more", async () => {
    const { pending, aNodeAnswer } = aChannel();
    const first = await aNodeAnswer(PIECE);
    pending.cancel(first.requestId);
    for (let more = 0; more < 1_024; more += 1) pending.cancel((await aNodeAnswer(PIECE)).requestId);
    expect(await first.stream.senderEnd).toBeUndefined();
    expect(pending.size).toBe(0);
  });

  it("of 64 MiB passes with no more than its window here at any time", async () => {
    const { aNodeAnswer, closed } = aChannel();
    const length = 64 * 1_048_576;
    const node = await aNodeAnswer(length);
    const reader = new Reader();
    const done = forward(node.stream, reader);
    let most = 0;
    while (node.sent() < length) {
      while (node.send()) most = Math.max(most, node.stream.heldBytes);
      await settle();
      reader.take();
    }
    node.end();
    expect(await done).toBe("OK");
    expect([reader.bytes, reader.fate, closed]).toEqual([length, "ended", []]);
    expect(most).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES);
  });

  it("with a slow reader stops itself and no other", async () => {
    const { aNodeAnswer } = aChannel();
    const length = 4 * 1_048_576;
    const [slow, quick] = [await aNodeAnswer(length), await aNodeAnswer(length)];
    const [sleeper, reader] = [new Reader(), new Reader()];
    void forward(slow.stream, sleeper);
    void forward(quick.stream, reader);
    while (quick.sent() < length) {
      quick.send();
      slow.send();
      await settle();
      reader.take();
    }
    expect([slow.sent(), quick.sent(), reader.bytes]).toEqual([INITIAL_CREDIT_BYTES, length, length]);
    expect(slow.stream.heldBytes).toBe(INITIAL_CREDIT_BYTES);
  });

  it("whose reader takes nothing for its time is cut off", async () => {
    const { aNodeAnswer } = aChannel();
    const node = await aNodeAnswer(UNKNOWN_LENGTH);
    const [clock, reader] = [new TestClock(), new Reader()];
    void forward(node.stream, reader, clock);
    node.send();
    await settle();
    await clock.advance(STREAM_STALL_MS);
    expect(reader.fate).toBe("destroyed");
  });

  it.each([
    ["takes nothing of what came before it", true],
    ["takes all but that event", false],
  ])("that ends in an event of its failure is cut off when its reader %s", async (_, leavesAll) => {
    const { aNodeAnswer } = aChannel();
    const node = await aNodeAnswer(UNKNOWN_LENGTH);
    const [clock, reader] = [new TestClock(), new Reader()];
    const done = forward(node.stream, reader, clock, () => Buffer.from("failed"));
    node.send();
    await settle();
    if (!leavesAll) reader.take();
    node.end("HOST_CRASHED");
    expect(await done).toBe("HOST_CRASHED");
    await clock.advance(STREAM_STALL_MS - 1);
    expect(reader.fate).toBe("open");
    await clock.advance(1);
    expect(reader.fate).toBe("destroyed");
  });

  it("that ends in an event of its failure stays ended when its reader takes it", async () => {
    const { aNodeAnswer } = aChannel();
    const node = await aNodeAnswer(UNKNOWN_LENGTH);
    const [clock, reader] = [new TestClock(), new Reader()];
    const done = forward(node.stream, reader, clock, () => Buffer.from("failed"));
    node.send();
    await settle();
    node.end("HOST_CRASHED");
    await done;
    reader.take();
    await clock.advance(STREAM_STALL_MS);
    expect(reader.fate).toBe("ended");
  });

  it.each([
    ["its node is lost", "NODE_LOST", ({ pending }: ReturnType<typeof aChannel>) => pending.loseAll()],
    ["its node is silent", "DEADLINE_EXCEEDED", ({ pending }) => (pending.expire(0), pending.expire(STREAM_STALL_MS))],
  ] satisfies [string, string, (channel: ReturnType<typeof aChannel>) => unknown][])(
    "ends with a code and a cut connection when %s",
    async (_why, code, happens) => {
      const channel = aChannel();
      const node = await channel.aNodeAnswer(UNKNOWN_LENGTH);
      const reader = new Reader();
      const done = forward(node.stream, reader);
      node.send();
      await settle();
      reader.take();
      happens(channel);
      expect([await done, reader.fate, channel.pending.size]).toEqual([code, "destroyed", 0]);
    },
  );

  it("ends with the code of the node's trailers", async () => {
    const { aNodeAnswer } = aChannel();
    const node = await aNodeAnswer(UNKNOWN_LENGTH);
    const done = forward(node.stream, new Reader());
    node.end("HOST_CRASHED");
    expect(await done).toBe("HOST_CRASHED");
  });

  it("that nobody wants is forgotten, and what still comes of it is ignored", async () => {
    const { aNodeAnswer, pending, closed } = aChannel();
    const node = await aNodeAnswer(UNKNOWN_LENGTH);
    expect([pending.cancel(node.requestId), pending.cancel(node.requestId)]).toEqual([true, false]);
    node.send();
    node.end();
    expect([await node.stream.ended, closed, pending.size]).toEqual([{ kind: "cancelled" }, [], 0]);
  });

  it("beyond its credit closes the channel", async () => {
    const { aNodeAnswer, receiver, closed } = aChannel();
    const { requestId } = await aNodeAnswer(UNKNOWN_LENGTH);
    const body = new Uint8Array(INITIAL_CREDIT_BYTES + 1);
    receiver.onFrame({ type: INFERENCE_FRAME.DATA, requestId, end: false, offset: 0, body });
    expect(closed).toHaveLength(1);
  });
});
