import { describe, expect, it } from "@jest/globals";
import { addEvidence, errorsOf, NO_REQUESTS } from "../../../../../../control-plane/core/rollout/gate/evidence.ts";

describe("evidence", () => {
  it("adds up what several control planes counted", () => {
    const one = {
      requests: 10,
      errors: { RUN_FAILED: 1 },
      latency: { edge: [0, 2], cloud: [] },
      crashes: 1,
      shadow: { compared: 3, agreed: 2, largestDifference: 0.5 },
    };
    const other = {
      requests: 5,
      errors: { RUN_FAILED: 2, HOST_CRASHED: 1 },
      latency: { edge: [1], cloud: [1] },
      crashes: 0,
      shadow: { compared: 1, agreed: 1, largestDifference: 0.25 },
    };
    const sum = [one, other].reduce(addEvidence, NO_REQUESTS);
    expect(sum).toEqual({
      requests: 15,
      errors: { RUN_FAILED: 3, HOST_CRASHED: 1 },
      latency: { edge: [1, 2], cloud: [1] },
      crashes: 1,
      shadow: { compared: 4, agreed: 3, largestDifference: 0.5 },
    });
    expect(errorsOf(sum)).toBe(4);
  });
});
