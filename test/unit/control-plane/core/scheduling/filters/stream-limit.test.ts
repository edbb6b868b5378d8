import { describe, expect, it } from "@jest/globals";
import { streamLimit } from "../../../../../../control-plane/core/scheduling/filters/stream-limit.ts";
import { aCandidate, aRequest, onEdgeA, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const streams = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `s${i}`, source: "inbox", sink: "outbox" }));
const streamsBy = new Map([
  ["press", 3],
  ["mill", 1],
  ["gone", 4],
]);
/** `press` in two versions, while it is rolled out. */
const placements = ["press", "press", "mill"].map((deployment) => onEdgeA({ deployment, model: deployment }));

describe("has-streams", () => {
  it.each([
    [0, undefined],
    [2, undefined],
    [3, "edge-a runs 4 of 6 streams, and digits declares 3"],
  ])("lets a deployment with %i streams onto a node that runs four, or says why not", (count, sentence) => {
    const refusal = refusalOn(
      streamLimit,
      aCandidate({ placements, streamsBy }),
      aRequest({ spec: { streams: streams(count) } }),
    );
    expect(refusal).toEqual(sentence === undefined ? undefined : { verdict: "not now", sentence });
  });

  it("lets the next version onto a node on which the deployment is already, however many streams there are", () => {
    const here = [...placements, onEdgeA({ deployment: "digits", version: 2 })];
    const candidate = aCandidate({ placements: here, streamsBy });
    expect(refusalOn(streamLimit, candidate, aRequest({ spec: { streams: streams(4) } }))).toBeUndefined();
  });
});
