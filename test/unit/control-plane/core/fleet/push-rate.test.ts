import { describe, expect, it } from "@jest/globals";
import { pushRateAfter } from "../../../../../control-plane/core/fleet/push-rate.ts";

const MIB = 1_048_576;

describe("the rate at which a node receives", () => {
  it("is that of its first large push", () => {
    expect(pushRateAfter({}, { bytes: 10 * MIB, ms: 1_000 })).toBeCloseTo(10_485.76);
  });

  it("follows later ones slowly", () => {
    expect(pushRateAfter({ pushBytesPerMs: 1_000 }, { bytes: 2 * MIB, ms: (2 * MIB) / 2_000 })).toBeCloseTo(1_300);
  });

  it.each([
    ["of less than 1 MiB", { bytes: MIB - 1, ms: 10 }],
    ["that took no time", { bytes: MIB, ms: 0 }],
  ])("is not measured by a push %s", (_, push) => {
    expect(pushRateAfter({}, push)).toBeUndefined();
    expect(pushRateAfter({ pushBytesPerMs: 500 }, push)).toBe(500);
  });
});
