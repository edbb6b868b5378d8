import { describe, expect, it } from "@jest/globals";
import { InferenceAdmission } from "../../../../../control-plane/adapters/http/inference/inference-admission.ts";
import { LIMITS } from "../../../../../control-plane/adapters/http/server/limits.ts";

const gateOf = (inferencesPerKey: number, inferenceBytes: number): InferenceAdmission =>
  new InferenceAdmission({ ...LIMITS, inferencesPerKey, inferenceBytes }, { limitReached: () => undefined });
const key = (keyId: string, concurrency: number | null = null) => ({
  keyId,
  limits: { requestsPerMinute: null, concurrency, tokensPerMinute: null },
});

describe("the gate of inferences", () => {
  it("bounds the requests of one key and not those of another", () => {
    const gate = gateOf(2, 10);
    const first = gate.enter(key("a"));
    gate.enter(key("a"));
    expect(() => gate.enter(key("a"))).toThrow("2 requests of this key are under way");
    expect(() => gate.enter(key("b"))).not.toThrow();
    first.leave();
    expect(() => gate.enter(key("a"))).not.toThrow();
  });

  it("bounds a key that has a limit of its own by that", () => {
    const gate = gateOf(9, 10);
    gate.enter(key("a", 1));
    expect(() => gate.enter(key("a", 1))).toThrow("1 requests of this key are under way");
    expect(() => gate.enter(key("b"))).not.toThrow();
  });

  it("bounds the bytes of all together, and takes them back", () => {
    const gate = gateOf(9, 10);
    const [first, second, third] = [gate.enter(key("a")), gate.enter(key("b")), gate.enter(key("c"))];
    expect([first.take(5), second.take(4), third.take(2)]).toEqual([true, true, false]);
    first.leave();
    expect([second.take(1), third.take(3)]).toEqual([true, true]);
  });

  it("leaves half of the bytes to others, however many requests one key has under way", () => {
    const gate = gateOf(9, 10);
    const [first, second] = [gate.enter(key("a")), gate.enter(key("a"))];
    expect([first.take(4), second.take(2)]).toEqual([true, false]);
    expect(gate.enter(key("b")).take(5)).toBe(true);
    first.leave();
    expect(second.take(4)).toBe(true);
  });
});
