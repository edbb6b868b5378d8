import { describe, expect, it } from "@jest/globals";
import { warmStart } from "../../../../../../control-plane/core/scheduling/scores/warm-start.ts";
import type { FleetPlacement } from "../../../../../../control-plane/core/fleet/types.ts";
import {
  aCandidate,
  aRequest,
  unboundedCase,
  onEdgeA,
  scoreOn,
} from "../../../../../support/fleet/scheduling-fixture.ts";

const MIB = 1_048_576;
const scored = (bytes: number, ...placements: readonly FleetPlacement[]) =>
  scoreOn(warmStart, aCandidate({ placements, pushBytesPerMs: 8_388 }), aRequest({ of: { bytes } }), []);
const scoredAt = (pushBytesPerMs: number | undefined) =>
  scoreOn(warmStart, aCandidate({ pushBytesPerMs }), aRequest({ of: { bytes: 48 * MIB } }), []);

describe("warmStart", () => {
  it("is 100 where the version is ready for another deployment", () => {
    expect(scored(600 * MIB, onEdgeA({ deployment: "other" }))).toEqual({ score: 100, raw: "ready" });
  });

  it.each([
    ["nothing", 0, 100, "about 0.0 s to push"],
    ["240 MiB", 240 * MIB, 50, "about 30.0 s to push"],
    ["480 MiB", 480 * MIB, 0, "about 60.0 s to push"],
    ["2,000 MiB", 2_000 * MIB, 0, "about 250.0 s to push"],
  ])("of a node to which %s has to be pushed", (_, bytes, score, raw) => {
    expect(scored(bytes)).toEqual({ score, raw });
  });

  it("follows the rate that was measured to the node", () => {
    expect([scoredAt(800 * (MIB / 1_000)), scoredAt(0.8 * (MIB / 1_000))]).toEqual([
      { score: 99.9, raw: "about 0.1 s to push" },
      { score: 0, raw: "about 60.0 s to push" },
    ]);
    expect(scoredAt(8 * (MIB / 1_000))).toEqual({ score: 90, raw: "about 6.0 s to push" });
  });

  it("takes a node that was not measured for one that receives 8 MiB/s, and says so", () => {
    expect(scoredAt(undefined)).toEqual({ score: 90, raw: "about 6.0 s to push, not measured" });
  });

  it("counts the bytes that are missing where a push is on its way", () => {
    const progress = { done: 180 * MIB, total: 240 * MIB };
    expect(scored(240 * MIB, onEdgeA({ state: "downloading", progress }))).toEqual({
      score: 87.5,
      raw: "about 7.5 s to push",
    });
  });

  it.each([
    ["only on its way", onEdgeA({ state: "downloading" })],
    ["there in another version", onEdgeA({ version: 2 })],
    ["of another model", onEdgeA({ model: "faces" })],
  ])("counts the push where what is placed is %s", (_, placement) => {
    expect(scored(240 * MIB, placement)).toEqual({ score: 50, raw: "about 30.0 s to push" });
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(warmStart)).toBeNull();
  });
});
