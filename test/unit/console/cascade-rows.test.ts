import { describe, expect, it } from "@jest/globals";
import { cascadeRows } from "../../../console/src/core/deployments/cascade-rows.ts";

const NOTHING = { requests: 0, escalated: 0, compared: 0, agreed: 0 };
const cascade = { to: "digits", breaker: "closed", leftBytes: null, counted: NOTHING } as const;
const textOf = (over: Partial<Parameters<typeof cascadeRows>[0]>): Record<string, string> =>
  Object.fromEntries(cascadeRows({ ...cascade, ...over }).map(({ title, text }) => [title, text]));

describe("a cascade", () => {
  it("says which share the large model answered, and how often both decide alike", () => {
    expect(
      textOf({ counted: { requests: 200, escalated: 13, compared: 12, agreed: 9 }, leftBytes: 1_048_576 }),
    ).toEqual({
      "Answered by digits": "6.5 % of 200 requests",
      "Both decide alike": "75.0 % of 12 that both answered",
      "Breaker of digits": "closed: it is asked",
      "May go to cloud nodes now": "1.0 MiB",
    });
  });

  it("that nobody has asked has no shares", () => {
    expect(textOf({})).toMatchObject({
      "Answered by digits": "no request yet",
      "Both decide alike": "not compared yet",
      "May go to cloud nodes now": "any number of bytes",
    });
  });

  it("marks a breaker that is open and a budget that is spent", () => {
    const tones = (of: Partial<Parameters<typeof cascadeRows>[0]>) =>
      cascadeRows({ ...cascade, ...of }).flatMap(({ tone }) => tone ?? []);
    expect(tones({ breaker: "open", leftBytes: 0 })).toEqual(["bad", "warn"]);
    expect(tones({ breaker: "trying" })).toEqual(["warn"]);
    expect(tones({})).toEqual(["good"]);
  });
});
