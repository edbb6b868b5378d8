import { describe, expect, it } from "@jest/globals";
import {
  MIN_WINDOW_BYTES,
  RATE_WINDOW_MS,
  withMinimumRate,
} from "../../../../../control-plane/app/catalog/upload-rate.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

/** A sender whose pieces come when the test says so. */
class Sender {
  readonly #pieces: Uint8Array[] = [];
  #wake: () => void = () => undefined;
  #isOver = false;
  wasTold = false;

  send(bytes: number): void {
    this.#pieces.push(new Uint8Array(bytes));
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece) yield piece;
        else if (this.#isOver) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.wasTold = true;
    }
  }
}

function reading(sender: Sender, clock: TestClock): { readonly done: Promise<string>; received: () => number } {
  let received = 0;
  const read = async (): Promise<string> => {
    for await (const piece of withMinimumRate(sender.bytes(), clock)) received += piece.length;
    return "ended";
  };
  return {
    done: read().catch((error: unknown) => (error instanceof Error ? error.message : "?")),
    received: () => received,
  };
}

describe("the minimum rate of an upload", () => {
  it("passes on what comes in time, over many windows", async () => {
    const clock = new TestClock();
    const sender = new Sender();
    const { done, received } = reading(sender, clock);
    for (let second = 0; second < 100; second += 1) {
      sender.send(70_000);
      await clock.advance(1_000);
    }
    sender.end();
    expect(await done).toBe("ended");
    expect(received()).toBe(100 * 70_000);
  });

  it("cuts off a sender that falls silent, after one window", async () => {
    const clock = new TestClock();
    const sender = new Sender();
    const { done, received } = reading(sender, clock);
    sender.send(1_000);
    await settle();
    await clock.advance(RATE_WINDOW_MS);
    expect(await done).toMatch(/^1000 bytes arrived in 30 s, fewer than 1966080/);
    expect(received()).toBe(1_000);
  });

  it("cuts off a drip", async () => {
    const clock = new TestClock();
    const sender = new Sender();
    const { done } = reading(sender, clock);
    for (let second = 0; second < 31; second += 1) {
      sender.send(10);
      await clock.advance(1_000);
    }
    expect(await done).toMatch(/bytes arrived in 30 s/);
  });

  it("does not count the time that the reader takes", async () => {
    const clock = new TestClock();
    const sender = new Sender();
    const reader = withMinimumRate(sender.bytes(), clock);
    sender.send(10);
    await reader.next();
    await clock.advance(10 * RATE_WINDOW_MS);
    sender.send(20);
    expect(await reader.next()).toMatchObject({ done: false });
    await reader.return(undefined);
    await settle();
    expect(sender.wasTold).toBe(true);
  });

  it("lets a fast first half of a window make up for a slow second", async () => {
    const clock = new TestClock();
    const sender = new Sender();
    const { done, received } = reading(sender, clock);
    sender.send(MIN_WINDOW_BYTES);
    await settle();
    await clock.advance(RATE_WINDOW_MS);
    sender.end();
    expect(await done).toBe("ended");
    expect(received()).toBe(MIN_WINDOW_BYTES);
  });
});
