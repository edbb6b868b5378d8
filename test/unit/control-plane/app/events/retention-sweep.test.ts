import { describe, expect, it } from "@jest/globals";
import { RetentionSweep } from "../../../../../control-plane/app/events/retention-sweep.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

describe("RetentionSweep", () => {
  it("deletes in batches with a pause between, then looks every ten minutes, and only while it leads", async () => {
    const clock = new TestClock();
    const left = [1_000, 1_000, 3];
    const state = { isLeading: false, sweeps: 0 };
    const sweep = new RetentionSweep({
      store: {
        async sweep() {
          state.sweeps += 1;
          return left.shift() ?? 0;
        },
      },
      retention: { eventDays: 1, auditDays: 1, leftoverDays: 1 },
      lease: () => (state.isLeading ? { holder: "r-1", token: 1n } : undefined),
      clock,
      logger: silentLogger,
    });
    sweep.start();
    await clock.advance(60_000);
    expect(state.sweeps).toBe(0);
    state.isLeading = true;
    await clock.advance(10 * 60_000);
    expect(state.sweeps).toBe(4);
    await clock.advance(10 * 60_000);
    expect(state.sweeps).toBe(5);
    await sweep.stop();
    await clock.advance(60 * 60_000);
    expect(state.sweeps).toBe(5);
  });
});
