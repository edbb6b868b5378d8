import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  afterCrash,
  CRASH_WINDOW_MS,
  MAX_CRASHES,
  mayHeal,
  type CrashHistory,
} from "../../../../edge-node/core/restart-policy.ts";
import { seededRandom } from "../../../../shared/base/random.ts";

describe("afterCrash", () => {
  it("gives up at the third crash within a minute", () => {
    const random = seededRandom(1);
    const first = afterCrash([], 0, random);
    const second = afterCrash(first.history, 30_000, random);
    const third = afterCrash(second.history, 59_000, random);
    expect([first.next.kind, second.next.kind, third.next.kind]).toEqual(["restart", "restart", "give-up"]);
  });

  it("goes on without end when the crashes are far apart, and never earlier than now", () => {
    const gaps = fc.array(fc.integer({ min: CRASH_WINDOW_MS / 2 + 1, max: 200_000 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(gaps, fc.integer(), (waits, seed) => {
        const random = seededRandom(seed);
        let history: CrashHistory = [];
        let now = 0;
        for (const wait of waits) {
          now += wait;
          const after = afterCrash(history, now, random);
          history = after.history;
          expect(history.length).toBeLessThan(MAX_CRASHES);
          expect(after.next).toMatchObject({ kind: "restart" });
          if (after.next.kind === "restart") expect(after.next.at).toBeGreaterThanOrEqual(now);
        }
      }),
    );
  });
});

describe("mayHeal", () => {
  it("holds for what the machine did, not for what the model is", () => {
    expect(mayHeal("OUT_OF_MEMORY")).toBe(true);
    expect(mayHeal("NO_SPACE")).toBe(true);
    expect(mayHeal("LOAD_FAILED")).toBe(false);
    expect(mayHeal("INCOMPATIBLE")).toBe(false);
  });
});
