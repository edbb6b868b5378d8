import { describe, expect, it } from "@jest/globals";
import { fitsMemory } from "../../../../../../control-plane/core/scheduling/filters/fits-memory.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const refusal = (memMiB: number, reservedMiB: number, usableMiB = 1_000) =>
  refusalOn(fitsMemory, aCandidate({ reservedMiB, usableMiB }), aRequest({ memMiB }));

describe("fits-memory", () => {
  it.each([
    ["the node is empty", 100, 0],
    ["the model takes exactly what is left", 400, 600],
  ])("accepts when %s", (_, memMiB, reservedMiB) => {
    expect(refusal(memMiB, reservedMiB)).toBeUndefined();
  });

  it.each([
    ["the limits of its placements leave too little", 401, 600, 1_000, 400],
    ["its placements may use more than it has", 1, 1_100, 1_000, -100],
    ["its memory is not known", 1, 0, 0, 0],
  ])("refuses for now when %s", (_, memMiB, reservedMiB, usableMiB, freeMiB) => {
    expect(refusal(memMiB, reservedMiB, usableMiB)).toEqual({
      verdict: "not now",
      sentence: `needs ${memMiB} MiB of memory; edge-a has ${freeMiB} free`,
    });
  });
});
