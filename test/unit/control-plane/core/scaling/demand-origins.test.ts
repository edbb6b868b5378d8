import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { DemandReport } from "../../../../../control-plane/core/scaling/demand.ts";
import { calmHops, DemandOrigins, originsNow } from "../../../../../control-plane/core/scaling/demand-origins.ts";
import { hopMsTo, type Hops } from "../../../../../control-plane/core/scheduling/hops.ts";
import { aFleetSession, aNode } from "../../../../support/fleet/fleet-builder.ts";

const report = (replica: string, ratePerS: number, hops: Readonly<Record<string, number>> = {}): DemandReport => ({
  replica,
  demands: ratePerS === 0 ? new Map() : new Map([["digits", { ratePerS, serviceMs: 5, waiting: 0, slots: 1 }]]),
  hops: new Map(Object.entries(hops)),
});

/** After a second of the same. */
function hopsAfter(...reports: readonly DemandReport[]): Hops | undefined {
  const origins = new DemandOrigins();
  origins.update(reports, 0);
  return origins.update(reports, 1_000).get("digits");
}

/** To a node whose session is at each of these control planes. */
const msTo = (hops: Hops | undefined, ...replicas: readonly string[]): readonly number[] =>
  replicas.map((replica) => hopMsTo(aNode("edge-a", { session: aFleetSession({ replica }) }), hops));

describe("what requests for a deployment lose between control planes", () => {
  it.each([
    ["nothing where there is one control plane", [report("a", 10)], [0, 0]],
    ["nothing at the one that all come to, and the way to the others", [report("a", 10, { b: 30 })], [0, 30]],
    ["by the share of the requests that take a way", [report("a", 30, { b: 40 }), report("b", 10, { a: 20 })], [5, 30]],
    ["the longest way that is known where one was not measured", [report("a", 10, { c: 50 }), report("b", 0)], [0, 50]],
    ["nothing where no way was measured", [report("a", 10), report("b", 10)], [0, 0]],
    ["nothing that is shorter than a tenth of a ms", [report("a", 10, { b: 0.04 })], [0, 0]],
    ["nothing without requests", [report("a", 0, { b: 30 })], [0, 0]],
  ] as const)("is %s", (_, reports, [toA, toB]) => {
    expect(msTo(hopsAfter(...reports), "a", "b")).toEqual([toA, toB]);
    expect(msTo(originsNow(reports).get("digits"), "a", "b")).toEqual([toA, toB]);
  });

  it("follows the mean of minutes, and forgets with the control plane that requests came to", () => {
    const origins = new DemandOrigins();
    const ways = { a: 40, b: 40 };
    for (const now of [0, 600_000]) origins.update([report("a", 10, ways), report("b", 0, ways)], now);
    const turned = origins.update([report("a", 0, ways), report("b", 10, ways)], 610_000).get("digits");
    const [toA = 0, toB = 0] = msTo(turned, "a", "b");
    expect(toA).toBeLessThan(toB);
    const later = origins.update([report("a", 0, ways), report("b", 10, ways)], 2_400_000).get("digits");
    expect(msTo(later, "b")[0]).toBeLessThan(1);
    const alone = origins.update([report("b", 10)], 2_401_000).get("digits");
    expect(msTo(alone, "a", "b")).toEqual([0, 0]);
  });

  it("is forgotten with the leadership", () => {
    const origins = new DemandOrigins();
    const reports = [report("a", 10, { b: 30 })];
    origins.update(reports, 0);
    origins.reset();
    expect(origins.update(reports, 1_000).size).toBe(0);
  });

  it("has the same key for the same ways, and is never longer than the longest one", () => {
    const ways = fc.record({ a: fc.integer({ min: 1, max: 300 }), b: fc.integer({ min: 1, max: 300 }) });
    const rate = fc.integer({ min: 0, max: 1_000 });
    fc.assert(
      fc.property(ways, ways, rate, rate, (ofA, ofB, toA, toB) => {
        const reports = [report("a", toA, { b: ofA.b }), report("b", toB, { a: ofB.a })];
        const [hops, again] = [hopsAfter(...reports), hopsAfter(...reports.toReversed())];
        expect(again?.key).toBe(hops?.key);
        const longest = Math.max(ofA.b, ofB.a);
        // To two digits.
        for (const ms of msTo(hops, "a", "b", "c")) expect(ms).toBeLessThanOrEqual(1.05 * longest);
      }),
    );
  });
});

describe("the ways to other control planes", () => {
  const known = new Map([["b", 20]]);

  it.each([
    ["wavers by less than a fifth", { b: 23.5 }],
    ["is as it was", { b: 20 }],
  ])("are those that were reported while one %s", (_, measured) => {
    expect(calmHops(known, new Map(Object.entries(measured)))).toBe(known);
  });

  it.each([
    ["changes by a fifth", { b: 24.13 }, { b: 24 }],
    ["comes", { b: 20, c: 0.734 }, { b: 20, c: 0.73 }],
    ["goes", {}, {}],
    ["takes the place of another", { c: 20 }, { c: 20 }],
  ])("are reported anew when one %s", (_, measured, reported) => {
    expect(calmHops(known, new Map(Object.entries(measured)))).toEqual(new Map(Object.entries(reported)));
  });

  it("are no news while they are short and change by less than a ms", () => {
    const short = new Map([["b", 0.3]]);
    expect(calmHops(short, new Map([["b", 1.2]]))).toBe(short);
  });
});
