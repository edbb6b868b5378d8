import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { DeliveryLoop } from "../../../../../edge-node/app/streams/delivery-loop.ts";
import { StreamClock } from "../../../../../edge-node/app/streams/stream-clock.ts";
import { Wakeup } from "../../../../../edge-node/app/streams/wakeup.ts";
import type {
  Delivery,
  Settlement,
  StoredItem,
  StreamResult,
  TakeBounds,
} from "../../../../../edge-node/ports/streams.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const aResult = (position: number): StoredItem => ({
  position,
  id: undefined,
  key: "",
  isJson: true,
  acceptedAt: 0,
  bytes: Uint8Array.of(position),
});
const DELIVERED: Delivery = { kind: "delivered" };
const LATER: Delivery = { kind: "later", why: "it answers 500" };

describe("the loop that delivers results", () => {
  const clock = new TestClock();
  let results: readonly StoredItem[];
  let delivered: number[];
  let calls: (readonly number[])[];
  let stopping: AbortController;
  let arrived: Wakeup;
  let loop: DeliveryLoop;
  let running: Promise<void>;
  const start = (
    answer: (position: number) => Delivery,
    { keepsOrder = false, batchItems = 4, gatherMs = 0 } = {},
  ): void => {
    stopping = new AbortController();
    arrived = new Wakeup(clock);
    loop = new DeliveryLoop({
      stream: { deployment: "same", name: "press" },
      nodeName: "node",
      store: {
        take: (_stream: unknown, _stage: unknown, { items, skip = [] }: TakeBounds) =>
          Promise.resolve(results.filter(({ position }) => !skip.includes(position)).slice(0, items)),
        settle: (_stream: unknown, settled: readonly Settlement[]) => {
          results = results.filter(({ position }) => !settled.some((each) => each.position === position));
          delivered.push(...settled.map(({ position }) => position));
          return Promise.resolve();
        },
      },
      sink: {
        batchItems,
        gatherMs,
        keepsOrder,
        deliver: (batch: readonly StreamResult[]) => {
          calls.push(batch.map(({ position }) => position));
          return Promise.resolve(batch.map(({ position }) => answer(position)));
        },
        close: () => Promise.resolve(),
      },
      expiryMs: () => 1_000_000,
      time: new StreamClock(clock),
      clock,
      random: seededRandom(1),
      logger: silentLogger,
      arrived,
    } as unknown as ConstructorParameters<typeof DeliveryLoop>[0]);
    running = loop.run(stopping.signal);
  };
  beforeEach(() => {
    [results, delivered, calls] = [[], [], []];
  });
  afterEach(async () => {
    stopping.abort();
    await running;
  });

  it("sets aside a result that the sink fails on while it takes others, and tries it again", async () => {
    results = Array.from({ length: 10 }, (_, i) => aResult(i + 1));
    let isMended = false;
    start((position) => (position === 1 && !isMended ? LATER : DELIVERED));
    await clock.advance(0);
    expect(delivered).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(loop.why).toBe("1 result is set aside and tried again: it answers 500");
    isMended = true;
    for (let i = 0; i < 40 && results.length > 0; i += 1) await clock.advance(10_000);
    expect([delivered.at(-1), loop.why]).toEqual([1, undefined]);
  });

  it("waits with all of them while the sink takes none", async () => {
    results = [aResult(1), aResult(2), aResult(3)];
    start(() => LATER);
    await clock.advance(0);
    expect([calls.length, loop.why]).toEqual([1, "it answers 500"]);
    await clock.advance(100_000);
    expect(calls.length).toBeGreaterThan(2);
    expect(delivered).toEqual([]);
  });

  it("passes over nothing where the sink keeps the order", async () => {
    results = [aResult(1), aResult(2), aResult(3)];
    start((position) => (position === 2 ? LATER : DELIVERED), { keepsOrder: true, batchItems: 1 });
    await clock.advance(1_000);
    expect(delivered).toEqual([1]);
    expect(calls.flat()).not.toContain(3);
  });

  it("lets results gather for a sink that wants few deliveries", async () => {
    results = [aResult(1)];
    start(() => DELIVERED, { gatherMs: 1_000 });
    await clock.advance(0);
    results = [aResult(2)];
    arrived.wake();
    await clock.advance(500);
    results = [...results, aResult(3)];
    arrived.wake();
    await clock.advance(600);
    expect(calls).toEqual([[1], [2, 3]]);
  });
});
