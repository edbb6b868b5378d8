import { own, type OwnedBytes } from "../../../../../shared/bytes/owned-bytes.ts";
import { describe, expect, it } from "@jest/globals";
import { SendQueue } from "../../../../../control-plane/adapters/websocket/send-queue.ts";

const KIB = 1_024;
const MIB = 1_048_576;

/** A socket that keeps what it is given until the test lets it flow. */
class Outlet {
  bufferedAmount = 0;
  readonly sent: Uint8Array[] = [];
  readonly marks: number[] = [];
  readonly #flushes: ((error?: Error) => void)[] = [];

  send(message: Uint8Array, onFlushed: (error?: Error) => void): void {
    const { byteLength } = message;
    this.marks.push(message[0] ?? -1);
    this.sent.push(message);
    this.bufferedAmount += byteLength;
    this.#flushes.push((error) => {
      this.bufferedAmount -= byteLength;
      onFlushed(error);
    });
  }

  /** The network takes one message. */
  drainOne(error?: Error): void {
    this.#flushes.shift()?.(error);
  }
}

/** `count` messages of 64 KiB, marked with `mark`. */
const request = (mark: number, count: number): OwnedBytes[] =>
  Array.from({ length: count }, () => own(new Uint8Array(64 * KIB).fill(mark)));

describe("SendQueue", () => {
  it("passes on at once what the socket has room for", () => {
    const outlet = new Outlet();
    const queue = new SendQueue(outlet, () => undefined);
    expect(queue.add(request(1, 3))).toBe(true);
    expect(outlet.marks).toEqual([1, 1, 1]);
    expect(queue.waitingBytes).toBe(0);
  });

  it("reports each message that the network took", () => {
    const outlet = new Outlet();
    let progress = 0;
    new SendQueue(outlet, () => (progress += 1)).add(request(1, 3));
    outlet.drainOne();
    outlet.drainOne();
    expect(progress).toBe(2);
  });

  it("holds the socket's buffer near 1 MiB and goes on as it drains", () => {
    const outlet = new Outlet();
    const queue = new SendQueue(outlet, () => undefined);
    queue.add(request(1, 40));
    expect(outlet.bufferedAmount).toBe(MIB);
    for (let i = 0; i < 100; i += 1) {
      outlet.drainOne();
      expect(outlet.bufferedAmount).toBeLessThanOrEqual(MIB);
    }
    expect(outlet.sent).toHaveLength(40);
    expect(queue.waitingBytes).toBe(0);
  });

  it("lets a small request pass between the messages of a large one", () => {
    const outlet = new Outlet();
    const queue = new SendQueue(outlet, () => undefined);
    queue.add(request(1, 40));
    queue.add(request(2, 1));
    outlet.drainOne();
    outlet.drainOne();
    expect(outlet.marks.slice(16)).toEqual([1, 2]);
  });

  it("gives a message's memory back when the network took it, and leaves it when it never will", () => {
    const outlet = new Outlet();
    new SendQueue(outlet, () => undefined).add(request(1, 2));
    outlet.drainOne();
    outlet.drainOne(new Error("the socket is gone"));
    expect(outlet.sent.map(({ byteLength }) => byteLength)).toEqual([0, 64 * KIB]);
  });

  it("refuses a request whole when 64 MiB are waiting, and takes it later", () => {
    const outlet = new Outlet();
    const queue = new SendQueue(outlet, () => undefined, 64 * 1_024 * KIB);
    for (let mark = 0; mark < 8; mark += 1) expect(queue.add(request(mark, 128))).toBe(true);
    const waiting = queue.waitingBytes;
    expect(queue.add(request(9, 128))).toBe(false);
    expect(queue.waitingBytes).toBe(waiting);
    for (let i = 0; i < 200; i += 1) outlet.drainOne();
    expect(queue.add(request(9, 128))).toBe(true);
  });
});
