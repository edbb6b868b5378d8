import { describe, expect, it } from "@jest/globals";
import { limitFor, startRoomMiB } from "../../../../edge-node/core/memory-limit.ts";

describe("limitFor", () => {
  it.each([
    ["a small model", 40, 4_000, 320],
    ["a text encoder that took 400 MiB", 400, 4_000, 768],
    ["what had less room than it should have", 400, 500, 500],
  ])("of %s", (_, neededMiB, roomMiB, limitMiB) => {
    expect(limitFor(neededMiB, roomMiB)).toBe(limitMiB);
  });
});

describe("startRoomMiB", () => {
  it.each([
    ["half of what no other placement uses", { usableMiB: 8_000, othersMiB: 1_000, freeMiB: 9_000 }, 320 + 3_340],
    ["half of what is free, when that is less", { usableMiB: 8_000, othersMiB: 1_000, freeMiB: 1_320 }, 320 + 500],
    ["the estimate where nothing is spare", { usableMiB: 1_000, othersMiB: 900, freeMiB: 5_000 }, 320],
  ])("is the estimate and %s", (_, node, roomMiB) => {
    expect(startRoomMiB({ estimateMiB: 320, ...node })).toBe(roomMiB);
  });
});
