import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { chooseVersion } from "../../../../../control-plane/core/routing/version-split.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";

const keys = Array.from({ length: 4_000 }, (_, index) => `caller-${index}`);
const split = (canary: number) => [
  { version: 1, weight: 100 - canary },
  { version: 2, weight: canary },
];
const shareOf = (chosen: readonly (number | undefined)[]): number =>
  chosen.filter((version) => version === 2).length / chosen.length;

describe("chooseVersion", () => {
  it("gives each version its share, by chance and by key", () => {
    const random = seededRandom(9);
    expect(shareOf(keys.map(() => chooseVersion(split(20), undefined, random)))).toBeCloseTo(0.2, 1);
    expect(shareOf(keys.map((key) => chooseVersion(split(20), key, random)))).toBeCloseTo(0.2, 1);
  });

  it("keeps a key where it is while its version's share grows", () => {
    const versionAt = (canary: number, key: string) => chooseVersion(split(canary), key, seededRandom(1));
    const early = keys.filter((key) => versionAt(10, key) === 2);
    expect(early.length).toBeGreaterThan(0);
    expect(early.filter((key) => versionAt(30, key) !== 2)).toEqual([]);
  });

  it("never chooses a version without weight, and none when no version has any", () => {
    const share = fc.record({ version: fc.integer({ min: 1, max: 9 }), weight: fc.integer({ min: 0, max: 3 }) });
    const shares = fc.uniqueArray(share, { selector: ({ version }) => version, maxLength: 5 });
    fc.assert(
      fc.property(shares, fc.option(fc.string(), { nil: undefined }), fc.integer(), (all, key, seed) => {
        const chosen = chooseVersion(all, key, seededRandom(seed));
        const weighty = all.filter(({ weight }) => weight > 0).map(({ version }) => version);
        if (weighty.length === 0) expect(chosen).toBeUndefined();
        else expect(weighty).toContain(chosen);
      }),
    );
  });
});
