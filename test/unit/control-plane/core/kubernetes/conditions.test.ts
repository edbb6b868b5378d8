import { describe, expect, it } from "@jest/globals";
import {
  ownConditions,
  toConditions,
  transitionsOf,
  type Finding,
} from "../../../../../control-plane/core/kubernetes/conditions.ts";

const finding = (type: string, status: Finding["status"], message = ""): Finding => ({
  type,
  status,
  reason: `${type}Reason`,
  message,
});
const conditions = (findings: readonly Finding[], now = "t1") =>
  toConditions(findings, { before: [], generation: 1, now });

describe("conditions", () => {
  it("keep their time while their status stays, and take the new generation", () => {
    const before = conditions([finding("Ready", "True"), finding("Stalled", "False")]);
    const after = toConditions([finding("Ready", "False"), finding("Stalled", "False", "other words")], {
      before,
      generation: 2,
      now: "t2",
    });
    expect(
      after.map(({ type, lastTransitionTime, observedGeneration }) => [type, lastTransitionTime, observedGeneration]),
    ).toEqual([
      ["Ready", "t2", 2],
      ["Stalled", "t1", 2],
    ]);
  });

  it("of others are not ours", () => {
    const all = conditions([finding("Ready", "True"), finding("example.dev/Audited", "True")]);
    expect(ownConditions(all, ["Ready"]).map(({ type }) => type)).toEqual(["Ready"]);
  });
});

describe("transitions", () => {
  it("report readiness when it comes and when it ends, and not while it is still to come", () => {
    const pending = conditions([finding("Ready", "False")]);
    const ready = conditions([finding("Ready", "True", "2 of 2 replicas ready")]);
    expect(transitionsOf([], pending)).toEqual([]);
    expect(transitionsOf(pending, ready)).toEqual([
      { type: "Normal", reason: "Ready", message: "2 of 2 replicas ready" },
    ]);
    expect(transitionsOf(ready, ready)).toEqual([]);
    expect(transitionsOf(ready, pending)).toEqual([{ type: "Warning", reason: "ReadyReason", message: "" }]);
  });

  it("report what is in the way once for each cause", () => {
    const first = conditions([finding("Stalled", "True", "no node")]);
    const second = conditions([finding("Stalled", "True", "no room")]);
    expect(
      [transitionsOf([], first), transitionsOf(first, first), transitionsOf(first, second)].map(({ length }) => length),
    ).toEqual([1, 0, 1]);
  });
});
