import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  CRASH_WINDOW_MS,
  LATE_RETRY_MS,
  MAX_CRASHES,
  RestartSchedule,
} from "../../../../../edge-node/core/placements/restart-policy.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";

describe("RestartSchedule", () => {
  it("gives up at the third crash within a minute", () => {
    const random = seededRandom(1);
    const schedule = new RestartSchedule();
    const verdicts = [0, 30_000, 59_000].map((at) => schedule.crashed(at, random));
    expect(verdicts).toEqual([
      { kind: "restart", crashes: 1 },
      { kind: "restart", crashes: 2 },
      { kind: "give-up", crashes: 0 },
    ]);
  });

  it("goes on without end when the crashes are far apart, and never earlier than now", () => {
    const gaps = fc.array(fc.integer({ min: CRASH_WINDOW_MS / 2 + 1, max: 200_000 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(gaps, fc.integer(), (waits, seed) => {
        const random = seededRandom(seed);
        const schedule = new RestartSchedule();
        let now = 0;
        for (const wait of waits) {
          now += wait;
          const { kind, crashes } = schedule.crashed(now, random);
          expect(kind).toBe("restart");
          expect(crashes).toBeLessThan(MAX_CRASHES);
          expect(schedule.notBefore).toBeGreaterThanOrEqual(now);
        }
      }),
    );
  });

  it("forgets the crashes with a new attempt, and keeps them when the next host starts at once", () => {
    const random = seededRandom(1);
    const schedule = new RestartSchedule();
    schedule.crashed(0, random);
    schedule.startAtOnce();
    expect([schedule.notBefore, schedule.crashed(1, random).crashes]).toEqual([0, 2]);
    schedule.reset();
    expect([schedule.notBefore, schedule.crashed(2, random).crashes]).toEqual([0, 1]);
  });

  it.each([
    ["OUT_OF_MEMORY", 5 + LATE_RETRY_MS],
    ["NO_SPACE", 5 + LATE_RETRY_MS],
    ["LOAD_FAILED", Infinity],
    ["INCOMPATIBLE", Infinity],
  ] as const)("retries later what the machine did, and never what the model is: %s", (code, notBefore) => {
    const schedule = new RestartSchedule();
    schedule.failed(code, 5);
    expect(schedule.notBefore).toBe(notBefore);
  });
});
