import { describe, expect, it } from "@jest/globals";
import { pushSlot } from "../../../../../../control-plane/core/scheduling/filters/push-slot.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

/** 1 MiB a minute. */
const SLOW = 1_048_576 / 60_000;
const receives = (pushBytesPerMs: number | undefined, comingDiskMiB: number) =>
  aCandidate({ pushBytesPerMs, comingDiskMiB });

describe("push-slot", () => {
  it.each([
    ["that receives nothing", receives(SLOW, 0)],
    ["that was never measured", receives(undefined, 100_000)],
    ["whose queue takes an hour", receives(SLOW, 60)],
  ])("accepts a node %s", (_, candidate) => {
    expect(refusalOn(pushSlot, candidate, aRequest())).toBeUndefined();
  });

  it("refuses for now a node that receives other models for longer than a push may take", () => {
    expect(refusalOn(pushSlot, receives(SLOW, 90), aRequest())).toEqual({
      verdict: "not now",
      sentence: "edge-a receives other models for another 90 min; the limit is 60 min",
      cause: "edge-a receives other models for longer than 60 min",
    });
  });

  it("follows the limit of the deployment", () => {
    const request = aRequest({ spec: { placement: { maxPushMinutes: 100 } } });
    expect(refusalOn(pushSlot, receives(SLOW, 90), request)).toBeUndefined();
  });
});
