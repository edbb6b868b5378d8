import { describe, expect, it } from "@jest/globals";
import { EventRecorder, MAX_WAITING, NODE_LOG_RATE } from "../../../../../control-plane/app/events/event-recorder.ts";
import type { NewEvent } from "../../../../../control-plane/ports/events.ts";
import type { NodeMessage } from "../../../../../shared/protocol/messages/node-messages.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const event = (message: string): NewEvent => ({ type: "Normal", reason: "Happened", object: "test/it", message });

const log = (count: number, { level = "info" as const, dropped = 0 } = {}): Extract<NodeMessage, { type: "log" }> => ({
  type: "log",
  id: 2,
  seq: 1,
  dropped,
  lines: Array.from({ length: count }, (_, index) => ({ level, ageMs: 0, msg: `line ${index}` })),
});

function setUp() {
  const clock = new TestClock();
  const batches: NewEvent[][] = [];
  const state = { isDown: false, dropped: 0, writing: 0, most: 0 };
  const recorder = new EventRecorder({
    store: {
      async append(events) {
        state.writing += 1;
        state.most = Math.max(state.most, state.writing);
        await Promise.resolve();
        state.writing -= 1;
        if (state.isDown) throw new Error("down");
        batches.push([...events]);
      },
    },
    clock,
    logger: silentLogger,
    onDropped: (count) => (state.dropped += count),
  });
  return { clock, batches, state, recorder, kept: () => batches.flat().map(({ message }) => message) };
}

describe("EventRecorder", () => {
  it("writes what comes together in one batch, and one batch at a time", async () => {
    const { recorder, batches, state, clock } = setUp();
    for (let index = 0; index < 1_000; index += 1) recorder.record(event(String(index)));
    await clock.advance(0);
    expect(batches.flat()).toHaveLength(1_000);
    expect([batches.length, state.most]).toEqual([5, 1]);
  });

  it("keeps events in their order while PostgreSQL is away, up to a bound, and counts those beyond it", async () => {
    const { recorder, state, clock, kept } = setUp();
    state.isDown = true;
    for (let index = 0; index < MAX_WAITING + 7; index += 1) recorder.record(event(String(index)));
    await clock.advance(10_000);
    expect([kept(), state.dropped]).toEqual([[], 7]);
    state.isDown = false;
    await clock.advance(1_000);
    expect(kept()).toEqual(Array.from({ length: MAX_WAITING }, (_, index) => String(index)));
  });

  it("keeps a node's log within that node's budget, and says how much was dropped", async () => {
    const { recorder, state, clock, kept } = setUp();
    for (let round = 0; round < 100; round += 1) recorder.recordLog("bad", log(32));
    recorder.recordLog("good", log(2));
    await clock.advance(0);
    expect(kept()).toHaveLength(NODE_LOG_RATE.burst + 2);
    expect(kept().slice(-2)).toEqual(["line 0", "line 1"]);
    expect(state.dropped).toBe(3_200 - NODE_LOG_RATE.burst);

    await clock.advance(1_000);
    recorder.recordLog("bad", log(1));
    await clock.advance(0);
    expect(kept().slice(-2)).toEqual([
      `${3_200 - NODE_LOG_RATE.burst} lines of the log of bad were dropped: it says more than can be kept`,
      "line 0",
    ]);
  });
});
