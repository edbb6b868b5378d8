import { describe, expect, it } from "@jest/globals";
import { pushInTime } from "../../../../../../control-plane/core/scheduling/filters/push-in-time.ts";
import { aCandidate, aRequest, onEdgeA, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const HOUR_MS = 3_600_000;
const receives = (pushBytesPerMs: number | undefined, over: Parameters<typeof aCandidate>[0] = {}) =>
  aCandidate({ pushBytesPerMs, ...over });
const ofBytes = (bytes: number, maxPushMinutes?: number) =>
  aRequest({ of: { bytes }, spec: maxPushMinutes === undefined ? {} : { placement: { maxPushMinutes } } });

describe("push-in-time", () => {
  it.each([
    ["that was never measured", receives(undefined), ofBytes(10 ** 12)],
    ["without a load report", aCandidate({ of: { load: undefined } }), ofBytes(10 ** 12)],
    ["that receives the version in an hour", receives(100), ofBytes(100 * HOUR_MS)],
    ["that receives it in the time that the deployment allows", receives(100), ofBytes(200 * HOUR_MS, 120)],
    [
      "that holds another version of the model, whose bytes may be the same",
      receives(100, { placements: [onEdgeA({ version: 2 })] }),
      ofBytes(200 * HOUR_MS),
    ],
  ])("accepts a node %s", (_, candidate, request) => {
    expect(refusalOn(pushInTime, candidate, request)).toBeUndefined();
  });

  it.each([
    ["takes longer than an hour", ofBytes(201 * HOUR_MS), "2 h", "60 min"],
    ["takes longer than the deployment allows", ofBytes(50 * HOUR_MS, 10), "30 min", "10 min"],
  ])("refuses for now a node to which the push %s", (_, request, takes, limit) => {
    expect(refusalOn(pushInTime, receives(100), request)).toEqual({
      verdict: "not now",
      sentence: `a push to edge-a takes ${takes} at the rate that was measured; the limit is ${limit}`,
      cause: `a push to edge-a takes longer than ${limit}`,
    });
  });
});
