import { describe, expect, it } from "@jest/globals";
import { noSharingReason } from "../../../../edge-node/core/row-sharing.ts";
import { RunSharing } from "../../../../edge-node/model-host/onnx/batching/run-sharing.ts";

const UNPROVED = { rows: { kind: "unproved" as const, reason: "operator ReduceMax (m): it reduces the whole tensor" } };

describe("noSharingReason", () => {
  it("lets requests share runs when the graph proves that rows are independent", () => {
    expect(noSharingReason({ rows: { kind: "independent" } }, undefined)).toBeUndefined();
  });

  it("names the operator that stops the proof", () => {
    expect(noSharingReason(UNPROVED, undefined)).toBe(
      "the graph does not prove that rows are independent: operator ReduceMax (m): it reduces the whole tensor",
    );
  });

  it("takes the operator's declaration in place of a proof", () => {
    expect(noSharingReason(UNPROVED, true)).toBeUndefined();
    expect(noSharingReason(UNPROVED, false)).toMatch(/does not prove/);
  });

  it("asks to publish again what was published before graphs were examined", () => {
    expect(noSharingReason({}, undefined)).toMatch(/publish it again/);
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
