import { describe, expect, it } from "@jest/globals";
import { pushRateAfter, pushRateAt, RATE_LASTS_MS } from "../../../../../control-plane/core/fleet/push-rate.ts";

const MIB = 1_048_576;
const AT = 50_000;
const known = { pushBytesPerMs: 500, pushMeasuredAt: AT - 1_000 };

describe("the rate at which a node receives", () => {
  it("is that of its first large push", () => {
    const after = pushRateAfter({}, { bytes: 10 * MIB, ms: 1_000, at: AT });
    expect(after).toEqual({ pushBytesPerMs: (10 * MIB) / 1_000, pushMeasuredAt: AT });
  });

  it("follows later ones slowly", () => {
    const push = { bytes: 2 * MIB, ms: (2 * MIB) / 1_500, at: AT };
    expect(pushRateAfter(known, push)).toEqual({ pushBytesPerMs: 800, pushMeasuredAt: AT });
  });

  it.each([
    ["of less than 1 MiB", { bytes: MIB - 1, ms: 10, at: AT }],
    ["that took no time", { bytes: MIB, ms: 0, at: AT }],
  ])("is not measured by a push %s", (_, push) => {
    expect(pushRateAfter({}, push)).toEqual({});
    expect(pushRateAfter(known, push)).toEqual(known);
  });

  it("is unknown six hours after the last push, so that a node that was slow is tried again", () => {
    const end = known.pushMeasuredAt + RATE_LASTS_MS;
    expect([pushRateAt(known, end - 1), pushRateAt(known, end), pushRateAt({}, AT)]).toEqual([
      500,
      undefined,
      undefined,
    ]);
  });

  it("is that of the next push alone then", () => {
    const at = known.pushMeasuredAt + RATE_LASTS_MS;
    expect(pushRateAfter(known, { bytes: 2 * MIB, ms: 100, at }).pushBytesPerMs).toBeCloseTo(20_971.52);
  });
});
