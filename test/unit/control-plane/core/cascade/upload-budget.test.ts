import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { UploadBudget } from "../../../../../control-plane/core/cascade/upload-budget.ts";

describe("the upload budget of a cascade", () => {
  it("has as many bytes as it was given, and has them again a little after its time", () => {
    const budget = new UploadBudget({ bytes: 100, seconds: 60 });
    budget.take(100, 500);
    expect([budget.has(1, 500), budget.has(1, 60_400), budget.has(100, 61_000)]).toEqual([false, false, true]);
  });

  it("never gives more bytes than it has within its time, wherever that begins", () => {
    const request = fc.record({ afterMs: fc.integer({ min: 0, max: 7_000 }), bytes: fc.integer({ min: 0, max: 60 }) });
    fc.assert(
      fc.property(
        fc.array(request, { maxLength: 80 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 200 }),
        (requests, seconds, bytes) => {
          const budget = new UploadBudget({ bytes, seconds });
          const taken: { readonly at: number; readonly bytes: number }[] = [];
          let now = 0;
          for (const request of requests) {
            now += request.afterMs;
            if (!budget.has(request.bytes, now)) continue;
            budget.take(request.bytes, now);
            taken.push({ at: now, bytes: request.bytes });
            const recent = taken.filter(({ at }) => at > now - seconds * 1_000);
            expect(recent.reduce((sum, each) => sum + each.bytes, 0)).toBeLessThanOrEqual(bytes);
          }
        },
      ),
    );
  });
});
