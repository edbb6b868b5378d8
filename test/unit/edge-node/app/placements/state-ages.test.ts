import { describe, expect, it } from "@jest/globals";
import { StateAges } from "../../../../../edge-node/app/placements/state-ages.ts";
import { TestClock } from "../../../../support/test-clock.ts";

describe("the age of a placement's state", () => {
  it("begins when the state is another one, and not with each report", async () => {
    const clock = new TestClock();
    const ages = new StateAges(clock);
    ages.changed({ placementId: "p", state: "downloading" });
    await clock.advance(500);
    ages.changed({ placementId: "p", state: "downloading" });
    expect(ages.ageMs("p")).toBe(500);
    ages.changed({ placementId: "p", state: "ready" });
    await clock.advance(20);
    expect(ages.ageMs("p")).toBe(20);
  });

  it("is forgotten with the placement", async () => {
    const clock = new TestClock();
    const ages = new StateAges(clock);
    ages.changed({ placementId: "p", state: "ready" });
    await clock.advance(500);
    ages.changed({ placementId: "p", state: "gone" });
    expect([ages.ageMs("p"), ages.ageMs("unknown")]).toEqual([0, 0]);
  });
});
