import { describe, expect, it } from "@jest/globals";
import { headroom } from "../../../../../../control-plane/core/scheduling/scores/headroom.ts";
import {
  aCandidate,
  aLoad,
  aRequest,
  unboundedCase,
  scoreOn,
} from "../../../../../support/fleet/scheduling-fixture.ts";

const scored = (kind: "edge" | "cloud", reservedMiB: number, cpuPct: number | undefined, usableMiB = 1_000) =>
  scoreOn(
    headroom,
    aCandidate({ reservedMiB, usableMiB, of: { kind, load: cpuPct === undefined ? undefined : aLoad({ cpuPct }) } }),
    aRequest(),
    [],
  );

describe("headroom", () => {
  it.each([
    ["an idle node with little placed", "edge", 0, 0, 90, "90 % of memory left"],
    ["a node whose CPU is scarcer", "edge", 0, 80, 20, "20 % of CPU left"],
    ["a node whose memory is scarcer", "edge", 800, 10, 10, "10 % of memory left"],
    ["a full node", "edge", 900, 10, 0, "0 % of memory left"],
    ["a node with more promised than it has", "edge", 1_900, 10, 0, "-100 % of memory left"],
    ["an idle cloud node", "cloud", 0, 0, 10, "90 % of memory left; cloud nodes are packed"],
    ["a full cloud node", "cloud", 900, 10, 100, "0 % of memory left; cloud nodes are packed"],
  ] as const)("of %s", (_, kind, reservedMiB, cpuPct, score, raw) => {
    expect(scored(kind, reservedMiB, cpuPct)).toEqual({ score, raw });
  });

  it("takes CPU as half used without a load report", () => {
    expect(scored("edge", 0, undefined)).toEqual({ score: 50, raw: "50 % of CPU left" });
  });

  it("takes memory as full while its size is not known", () => {
    expect(scored("edge", 0, 10, 0)).toEqual({ score: 0, raw: "0 % of memory left" });
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(headroom)).toBeNull();
  });
});
