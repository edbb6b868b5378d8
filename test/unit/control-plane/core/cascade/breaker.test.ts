import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  admits,
  began,
  type Breaker,
  CLOSED,
  completed,
  failed,
  OPENS_AFTER,
  sent,
  undecided,
} from "../../../../../control-plane/core/cascade/breaker.ts";

const failedTimes = (times: number, from: Breaker = CLOSED, now = 0): Breaker =>
  Array.from({ length: times }).reduce<Breaker>((breaker) => failed(breaker, now, 0.5), from);

const change = fc.record({
  kind: fc.constantFrom("sent", "began", "completed", "failed", "undecided"),
  afterMs: fc.integer({ min: 0, max: 400_000 }),
  chance: fc.double({ min: 0, max: 0.999, noNaN: true }),
});

describe("the breaker of a large model", () => {
  it("stays closed below five failures in a row, and opens for about 10 s with the fifth", () => {
    expect(admits(failedTimes(OPENS_AFTER - 1), 0)).toBe(true);
    const open = failedTimes(OPENS_AFTER);
    expect(open).toEqual({ state: "open", until: 10_000, timesOpened: 1 });
    expect([admits(open, 9_999), admits(open, 10_000)]).toEqual([false, true]);
  });

  it("counts failures in a row alone", () => {
    expect(failedTimes(OPENS_AFTER - 1, completed(failedTimes(OPENS_AFTER - 1))).state).toBe("closed");
  });

  it("lets one request try it, and stays open for twice as long when that fails", () => {
    const trying = sent(failedTimes(OPENS_AFTER), 10_000);
    expect([trying.state, admits(trying, 10_001)]).toEqual(["trying", false]);
    expect(failed(trying, 10_500, 0.5)).toEqual({ state: "open", until: 30_500, timesOpened: 2 });
  });

  it("closes when a tried answer begins, and opens again with one failure before one is whole", () => {
    const closed = began(sent(failedTimes(OPENS_AFTER), 10_000));
    expect(admits(closed, 10_000)).toBe(true);
    expect(failed(closed, 11_000, 0.5).state).toBe("open");
    expect(failed(completed(closed), 11_000, 0.5).state).toBe("closed");
  });

  it("lets the next request try it when the first said nothing about it, or was never heard of again", () => {
    const trying = sent(failedTimes(OPENS_AFTER), 10_000);
    expect(admits(undecided(trying, 10_200), 10_200)).toBe(true);
    expect([admits(trying, 69_999), admits(trying, 70_000)]).toEqual([false, true]);
  });

  it("never admits two requests at once while it tries, and admits one after 6 min at most, whatever came before", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        let breaker: Breaker = CLOSED;
        let now = 0;
        for (const { kind, afterMs, chance } of changes) {
          now += afterMs;
          if (kind === "sent" && admits(breaker, now)) {
            breaker = sent(breaker, now);
            if (breaker.state === "trying") expect(admits(breaker, now)).toBe(false);
          }
          if (kind === "began") breaker = began(breaker);
          if (kind === "completed") breaker = completed(breaker);
          if (kind === "failed") breaker = failed(breaker, now, chance);
          if (kind === "undecided") breaker = undecided(breaker, now);
          expect(admits(breaker, now + 360_000)).toBe(true);
        }
      }),
    );
  });
});
