import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ChurnMap } from "../../../../shared/bytes/churn-map.ts";

interface Change {
  readonly key: number;
  readonly value: string | undefined;
}

const change: fc.Arbitrary<Change> = fc.record({
  // Few keys, so that they are met again; some beyond what an array could hold.
  key: fc.oneof(fc.integer({ min: 0, max: 8 }), fc.constantFrom(0xffff_fffe, 0xffff_ffff, 1_000_000)),
  value: fc.option(fc.string(), { nil: undefined }),
});

describe("ChurnMap", () => {
  it("holds what a Map holds, whatever is set and deleted in whatever order", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const map = new Map<number, string>();
        const churned = new ChurnMap<string>();
        for (const { key, value } of changes) {
          if (value === undefined) expect(churned.delete(key)).toBe(map.delete(key));
          else {
            map.set(key, value);
            churned.set(key, value);
          }
          expect([churned.size, churned.get(key), churned.has(key)]).toEqual([map.size, map.get(key), map.has(key)]);
        }
        expect(churned.entries()).toEqual([...map].toSorted(([a], [b]) => a - b));
      }),
    );
  });

  it("has no entry that nobody set", () => {
    expect(new ChurnMap<string>().get(7)).toBeUndefined();
  });
});
