import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { chooseVersion } from "../../../../../control-plane/core/routing/version-split.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";

const split = (canary: number) => [
  { version: 1, weight: 100 - canary },
  { version: 2, weight: canary },
];
const shareOf = (chosen: readonly (number | undefined)[]): number =>
  chosen.filter((version) => version === 2).length / chosen.length;

describe("chooseVersion", () => {
  it("gives each version its share, by chance", () => {
    const random = seededRandom(9);
    const chosen = Array.from({ length: 4_000 }, () => chooseVersion(split(20), random));
    expect(shareOf(chosen)).toBeCloseTo(0.2, 1);
  });

  it("never chooses a version without weight, and none when no version has any", () => {
    const share = fc.record({ version: fc.integer({ min: 1, max: 9 }), weight: fc.integer({ min: 0, max: 3 }) });
    const shares = fc.uniqueArray(share, { selector: ({ version }) => version, maxLength: 5 });
    fc.assert(
      fc.property(shares, fc.integer(), (all, seed) => {
        const chosen = chooseVersion(all, seededRandom(seed));
        const weighty = all.filter(({ weight }) => weight > 0).map(({ version }) => version);
        if (weighty.length === 0) expect(chosen).toBeUndefined();
        else expect(weighty).toContain(chosen);
      }),
    );
  });

  it("lets a sticky key decide, by the weights", () => {
    const random = seededRandom(1);
    const chosen = Array.from({ length: 4_000 }, (_, user) => chooseVersion(split(20), random, `user-${user}`));
    expect(shareOf(chosen)).toBeCloseTo(0.2, 1);
    expect(chosen).toEqual(chosen.map((_, user) => chooseVersion(split(20), seededRandom(2), `user-${user}`)));
  });

  it("keeps a sticky key with the new version while that one's share grows", () => {
    const percent = fc.integer({ min: 0, max: 100 });
    fc.assert(
      fc.property(fc.string(), percent, percent, (key, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const random = seededRandom(3);
        const [before, after] = [less, more].map((share) => chooseVersion(split(share), random, key));
        expect([before, after]).not.toEqual([2, 1]);
      }),
    );
  });
});
