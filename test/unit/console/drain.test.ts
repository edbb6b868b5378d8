import { describe, expect, it } from "@jest/globals";
import {
  drainBody,
  drainSentence,
  DRAIN_UNITS,
  firstOf,
  isDrainUnit,
  mostOf,
  NO_DEADLINE,
} from "../../../console/src/core/fleet/drain.ts";
import { stateOfNode, toneOfNode } from "../../../console/src/core/fleet/tone.ts";
import { drainNode } from "../../../shared/api/v1/nodes/nodes.ts";

describe("the request of a drain", () => {
  it("has no deadline unless one is written, whatever is chosen for it", () => {
    const body = drainBody({ ...NO_DEADLINE, atDeadline: "remove" });
    expect([body, drainNode.safeParse(body).success]).toEqual([{ atDeadline: "wait" }, true]);
    expect(drainBody({ amount: " ", unit: "days", atDeadline: "wait" })).toEqual({ atDeadline: "wait" });
  });

  it("has its deadline in seconds", () => {
    expect(drainBody({ amount: "10", unit: "minutes", atDeadline: "remove" })).toEqual({
      deadlineSeconds: 600,
      atDeadline: "remove",
    });
  });

  it.each(Object.keys(DRAIN_UNITS))("is one that the API takes, up to the most that a field of %s has", (unit) => {
    if (!isDrainUnit(unit)) throw new Error(unit);
    const bodyOf = (amount: number) => drainBody({ amount: String(amount), unit, atDeadline: "wait" });
    expect(drainNode.safeParse(bodyOf(1)).success).toBe(true);
    expect(drainNode.safeParse(bodyOf(mostOf(unit))).success).toBe(true);
    expect(drainNode.safeParse(bodyOf(mostOf(unit) + 1)).success).toBe(false);
  });
});

describe("a node that drains", () => {
  const drain = (overdue: boolean, atDeadline: "wait" | "remove" = "wait") => ({ overdue, atDeadline });

  it.each([
    [0, null, "Drained: nothing runs here. It stays empty until it is uncordoned."],
    [1, null, "Draining: 1 model has to be ready elsewhere before it leaves."],
    [2, drain(false), "Draining: 2 models have to be ready elsewhere before they leave."],
    [1, drain(true), "The drain is past its deadline and goes on: 1 model is still here."],
    [2, drain(true, "remove"), "The drain is past its deadline: 2 models are removed now, with no successor."],
  ])("with %d models and the deadline %j says how far it is", (left, deadline, sentence) => {
    expect(drainSentence({ placements: Array.from({ length: left }), drain: deadline })).toBe(sentence);
  });

  it("has another word and another tone when it is overdue", () => {
    const node = { state: "ready", cordoned: true, draining: true };
    const looks = (of: Parameters<typeof stateOfNode>[0]) => [stateOfNode(of), toneOfNode(of)];
    expect(looks({ ...node, drain: null })).toEqual(["draining", "busy"]);
    expect(looks({ ...node, drain: drain(false) })).toEqual(["draining", "busy"]);
    expect(looks({ ...node, drain: drain(true) })).toEqual(["drain overdue", "warn"]);
    expect(looks({ ...node, state: "suspect", drain: drain(true) })).toEqual(["suspect, drain overdue", "warn"]);
  });
});

describe("some sentences in a line", () => {
  it("are the first one, and how many there are beside it", () => {
    expect([firstOf([]), firstOf(["a"]), firstOf(["a", "b", "c"])]).toEqual(["", "a", "a, and 2 more"]);
  });
});
