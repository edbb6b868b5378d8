import { describe, expect, it } from "@jest/globals";
import { hasRoomForAnother, needsRecycling, nextLimitMiB } from "../../../../edge-node/core/host-recycling.ts";

describe("a model host needs recycling", () => {
  it.each([
    [
      "near its limit, far above what it began with",
      { limitMiB: 100, wantedMiB: 100, readyMiB: 40, privateMiB: 80 },
      true,
    ],
    ["grown, but far from its limit", { limitMiB: 100, wantedMiB: 200, readyMiB: 10, privateMiB: 79 }, false],
    ["near its limit from the start", { limitMiB: 100, wantedMiB: 100, readyMiB: 82, privateMiB: 95 }, false],
    ["the same, and the limit was raised", { limitMiB: 100, wantedMiB: 101, readyMiB: 82, privateMiB: 95 }, true],
    ["the same, and the limit was lifted", { limitMiB: 100, wantedMiB: 0, readyMiB: 82, privateMiB: 95 }, true],
    ["the same, and the limit was lowered", { limitMiB: 100, wantedMiB: 90, readyMiB: 82, privateMiB: 95 }, false],
    ["without a limit", { limitMiB: 0, wantedMiB: 100, readyMiB: 10, privateMiB: 9_000 }, false],
  ])("%s: %o → %s", (_what, memory, expected) => {
    expect(needsRecycling(memory)).toBe(expected);
  });
});

describe("the next host's limit", () => {
  it.each([
    ["raised", { limitMiB: 100, wantedMiB: 200 }, 200],
    ["lifted", { limitMiB: 100, wantedMiB: 0 }, 0],
    ["lowered", { limitMiB: 100, wantedMiB: 50 }, 100],
    ["new, where there was none", { limitMiB: 0, wantedMiB: 50 }, 0],
  ])("is never less than the old one's: %s", (_what, limits, expected) => {
    expect(nextLimitMiB(limits)).toBe(expected);
  });
});

describe("a machine has room for another host", () => {
  it("when what it has free is a quarter more than a fresh one holds", () => {
    expect(hasRoomForAnother({ readyMiB: 80 }, 100)).toBe(true);
    expect(hasRoomForAnother({ readyMiB: 80 }, 99)).toBe(false);
  });
});
