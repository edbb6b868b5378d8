import { describe, expect, it } from "@jest/globals";
import { Liveness } from "../../../../../control-plane/app/node-sessions/liveness.ts";
import { TestClock } from "../../../../support/test-clock.ts";

describe("the liveness of a session", () => {
  it("counts the time since the newest byte, and ignores an older one", async () => {
    const clock = new TestClock(1_000);
    const liveness = new Liveness(clock);
    await clock.advance(500);
    liveness.heard(1_400);
    liveness.heard(1_200);
    expect([liveness.lastHeard, liveness.silentMs]).toEqual([1_400, 100]);
  });

  it("tells a confirmation of the newest message from one that crossed it, and from older ones", () => {
    const liveness = new Liveness(new TestClock());
    expect(liveness.confirmedBy(1)).toBe("stale");
    liveness.welcomed(1);
    expect(liveness.confirmedBy(1)).toBe("current");
    liveness.answered(2);
    expect([2, 1].map((id) => liveness.confirmedBy(id))).toEqual(["current", "previous"]);
    liveness.answered(3);
    expect([3, 2, 1].map((id) => liveness.confirmedBy(id))).toEqual(["current", "previous", "stale"]);
  });
});
