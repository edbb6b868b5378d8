import { describe, expect, it } from "@jest/globals";
import { nodeLargeEnough } from "../../../../../../control-plane/core/scheduling/filters/fits-memory.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const refusal = (memMiB: number, usableMiB: number) =>
  refusalOn(nodeLargeEnough, aCandidate({ usableMiB, reservedMiB: 900 }), aRequest({ memMiB }));

describe("node-large-enough", () => {
  it("accepts a model that fills the empty node, whatever is placed there now", () => {
    expect(refusal(1_000, 1_000)).toBeUndefined();
  });

  it.each([
    ["larger than the empty node", 1_001, 1_000],
    ["of any size while the node's memory is not known", 1, 0],
  ])("refuses for good a model %s", (_, memMiB, usableMiB) => {
    expect(refusal(memMiB, usableMiB)).toEqual({
      verdict: "never",
      sentence: `needs ${memMiB} MiB of memory; edge-a has ${usableMiB} for models in all`,
    });
  });
});
