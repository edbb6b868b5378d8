import { describe, expect, it } from "@jest/globals";
import { InferenceAdmission } from "../../../../../control-plane/adapters/http/inference/inference-admission.ts";
import { LIMITS } from "../../../../../control-plane/adapters/http/server/limits.ts";

const gateOf = (inferencesPerKey: number, inferenceBytes: number): InferenceAdmission =>
  new InferenceAdmission({ ...LIMITS, inferencesPerKey, inferenceBytes });

describe("the gate of inferences", () => {
  it("bounds the requests of one key and not those of another", () => {
    const gate = gateOf(2, 10);
    const first = gate.enter("a");
    gate.enter("a");
    expect(() => gate.enter("a")).toThrow("2 requests of this key are under way");
    expect(() => gate.enter("b")).not.toThrow();
    first.leave();
    expect(() => gate.enter("a")).not.toThrow();
  });

  it("bounds the bytes of all together, and takes them back", () => {
    const gate = gateOf(9, 10);
    const [first, second, third] = [gate.enter("a"), gate.enter("b"), gate.enter("c")];
    expect([first.take(5), second.take(4), third.take(2)]).toEqual([true, true, false]);
    first.leave();
    expect([second.take(1), third.take(3)]).toEqual([true, true]);
  });

  it("leaves half of the bytes to others, however many requests one key has under way", () => {
    const gate = gateOf(9, 10);
    const [first, second] = [gate.enter("a"), gate.enter("a")];
    expect([first.take(4), second.take(2)]).toEqual([true, false]);
    expect(gate.enter("b").take(5)).toBe(true);
    first.leave();
    expect(second.take(4)).toBe(true);
  });
});
