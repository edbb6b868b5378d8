import { describe, expect, it } from "@jest/globals";
import { mayShare, sharingOf } from "../../../../edge-node/core/row-sharing.ts";
import { RunSharing } from "../../../../edge-node/model-host/onnx/batching/run-sharing.ts";

const UNPROVED = { rows: { kind: "unproved" as const, reason: "operator ReduceMax (m): it reduces the whole tensor" } };

const LIMITS = { maxBatch: 32 };

describe("mayShare", () => {
  it("lets requests share runs when the graph proves that rows are independent", () => {
    expect(mayShare({ rows: { kind: "independent" } }, undefined)).toEqual({
      isShared: true,
      reason: "the graph proves that rows are independent",
    });
  });

  it("names the operator that stops the proof", () => {
    expect(mayShare(UNPROVED, undefined)).toEqual({
      isShared: false,
      reason: "the graph does not prove that rows are independent: operator ReduceMax (m): it reduces the whole tensor",
    });
  });

  it("takes the operator's declaration in place of a proof, and says so", () => {
    expect(mayShare(UNPROVED, true)).toEqual({
      isShared: true,
      reason: "the deployment declares that rows are independent (limits.rowsAreIndependent)",
    });
    expect(mayShare(UNPROVED, false).isShared).toBe(false);
  });

  it("asks to publish again what was published before graphs were examined", () => {
    expect(mayShare({}, undefined).reason).toMatch(/publish it again/);
  });
});

describe("sharingOf", () => {
  const proved = mayShare({ rows: { kind: "independent" } }, undefined);

  it("is what was expected when the host shares runs", () => {
    expect(sharingOf(proved, undefined, LIMITS)).toBe(proved);
  });

  it("is the host's reason when it does not, whatever was expected", () => {
    const changing = 'two runs of the same input differ in output "y"';
    expect(sharingOf(proved, changing, LIMITS)).toEqual({ isShared: false, reason: changing });
  });

  it("names the limit that switches sharing off", () => {
    expect(sharingOf(proved, undefined, { maxBatch: 1 })).toEqual({
      isShared: false,
      reason: "the deployment sets limits.maxBatch to 1",
    });
  });
});

describe("RunSharing", () => {
  it("compares the first shared run and every 64th after it", () => {
    const sharing = new RunSharing({ isAllowed: true, onStopped: () => undefined });
    const sampled = Array.from({ length: 130 }, (_, i) => (sharing.isSampled() ? i : -1)).filter((i) => i >= 0);
    expect(sampled).toEqual([0, 64, 128]);
  });

  it("stops once and for all, and says why once", () => {
    const reasons: string[] = [];
    const sharing = new RunSharing({ isAllowed: true, onStopped: (reason) => reasons.push(reason) });
    sharing.stop("first");
    sharing.stop("second");
    expect(sharing.isAllowed).toBe(false);
    expect(reasons).toEqual(["first"]);
  });
});
