import { describe, expect, it } from "@jest/globals";
import { fitsDisk } from "../../../../../../control-plane/core/scheduling/filters/fits-disk.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const refusal = (diskMiB: number, of: Parameters<typeof aCandidate>[0]) =>
  refusalOn(fitsDisk, aCandidate(of), aRequest({ diskMiB }));

describe("fits-disk", () => {
  it.each([
    ["the artifact is smaller than what is free", 100],
    ["the artifact fills the disk down to the floor", 950],
  ])("accepts when %s", (_, diskMiB) => {
    expect(refusal(diskMiB, { usableDiskMiB: 1_000, evictionFloorDiskMiB: 50 })).toBeUndefined();
  });

  it.each([
    ["the artifact would reach into the floor", { usableDiskMiB: 1_000, evictionFloorDiskMiB: 50 }, 950],
    ["less than the floor is free", { usableDiskMiB: 20, evictionFloorDiskMiB: 50 }, 0],
    ["the size of the disk is not known", { usableDiskMiB: 0, evictionFloorDiskMiB: 0 }, 0],
  ])("refuses for now when %s", (_, of, freeMiB) => {
    expect(refusal(951, of)).toMatchObject({
      verdict: "not now",
      sentence: `needs 951 MiB of disk; edge-a has ${freeMiB} free`,
    });
  });
});
