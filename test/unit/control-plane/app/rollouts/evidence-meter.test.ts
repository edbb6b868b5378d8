import { describe, expect, it } from "@jest/globals";
import { EvidenceMeter } from "../../../../../control-plane/app/rollouts/evidence-meter.ts";

const ROLLOUT = { deployment: "digits", rollout: 1, wave: 1, old: 1, new: 2, copies: false };
const answer = { version: 2, code: undefined, kind: "edge" as const, ms: 5 };

describe("EvidenceMeter", () => {
  it("begins at zero with another wave", () => {
    const meter = new EvidenceMeter();
    meter.answered(ROLLOUT, answer);
    meter.answered({ ...ROLLOUT, wave: 2 }, answer);
    expect(meter.of(ROLLOUT)).toBeUndefined();
    expect(meter.of({ ...ROLLOUT, wave: 2 })).toMatchObject({ revision: 1, counted: { new: { requests: 1 } } });
  });

  it("keeps the counts of a wave when an answer that began in an earlier one ends", () => {
    const meter = new EvidenceMeter();
    const later = { ...ROLLOUT, wave: 2 };
    const next = { ...ROLLOUT, rollout: 2 };
    meter.answered(later, answer);
    meter.answered(ROLLOUT, answer);
    expect(meter.of(later)).toMatchObject({ revision: 1, counted: { new: { requests: 1 } } });
    meter.answered(next, answer);
    meter.answered(later, answer);
    expect(meter.of(next)).toMatchObject({ revision: 1, counted: { new: { requests: 1 } } });
  });

  it("counts crashes and compared answers, and the largest difference", () => {
    const meter = new EvidenceMeter();
    meter.crashed(ROLLOUT, 1);
    meter.compared(ROLLOUT, { agrees: true, difference: 0.25 });
    meter.compared(ROLLOUT, { agrees: false, difference: 0.125 });
    expect(meter.of(ROLLOUT)?.counted).toMatchObject({
      old: { crashes: 1 },
      new: { crashes: 0, shadow: { compared: 2, agreed: 1, largestDifference: 0.25 } },
    });
  });

  it("counts no version that is neither", () => {
    const meter = new EvidenceMeter();
    meter.answered(ROLLOUT, { ...answer, version: 3 });
    expect(meter.of(ROLLOUT)).toBeUndefined();
  });

  it("gives counts that later requests do not change", () => {
    const meter = new EvidenceMeter();
    meter.answered(ROLLOUT, answer);
    const before = meter.of(ROLLOUT)?.counted;
    meter.answered(ROLLOUT, answer);
    expect(before).toMatchObject({ new: { requests: 1 } });
    expect(before?.new.latency.edge.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it("forgets rollouts that are over", () => {
    const meter = new EvidenceMeter();
    meter.answered(ROLLOUT, answer);
    meter.keepOnly([]);
    expect(meter.of(ROLLOUT)).toBeUndefined();
  });
});
