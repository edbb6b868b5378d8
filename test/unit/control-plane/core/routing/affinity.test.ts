import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { byAffinity, fractionOf, MOST_OF_FAIR_LOAD } from "../../../../../control-plane/core/routing/affinity.ts";
import { stableHash } from "../../../../../control-plane/core/hash.ts";

interface Replica {
  readonly name: string;
  readonly id: number;
  readonly weight: number;
  load: number;
}

const replica = (name: string, weight = 1): Replica => ({ name, id: stableHash(name), weight, load: 0 });
const homeOf = (key: number, replicas: readonly Replica[]): string | undefined => byAffinity(key, replicas)[0]?.name;
const keys = Array.from({ length: 2_000 }, (_, i) => stableHash(`session ${i}`));

const replicas = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 })
  .chain((names) =>
    fc
      .array(fc.integer({ min: 1, max: 8 }), { minLength: names.length, maxLength: names.length })
      .map((weights) => names.map((name, i) => replica(name, weights[i]))),
  )
  // Names whose hashes are the same are one replica to it.
  .filter((all) => new Set(all.map(({ id }) => id)).size === all.length);
const sessions = fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { maxLength: 60 });

describe("byAffinity", () => {
  it("always has a replica for a session, whatever their loads", () => {
    fc.assert(
      fc.property(replicas, sessions, fc.array(fc.nat(50)), (all, [key = 0], loads) => {
        all.forEach((each, i) => (each.load = loads[i] ?? 0));
        expect(byAffinity(key, all).length).toBeGreaterThan(0);
      }),
    );
  });

  it("gives no replica more than its bounded part, however the sessions come", () => {
    fc.assert(
      fc.property(replicas, sessions, (all, each) => {
        const weight = all.reduce((sum, one) => sum + one.weight, 0);
        each.forEach((key, before) => {
          const [chosen] = byAffinity(key, all);
          if (chosen === undefined) throw new Error("nobody took it");
          chosen.load += 1;
          expect(chosen.load).toBeLessThanOrEqual(
            Math.ceil((MOST_OF_FAIR_LOAD * (before + 1) * chosen.weight) / weight),
          );
        });
      }),
    );
  });

  it("gives one session that all share to more than one replica as it grows", () => {
    const all = ["a", "b", "c", "d"].map((name) => replica(name));
    for (let request = 0; request < 40; request += 1) {
      const [chosen] = byAffinity(7, all);
      if (chosen !== undefined) chosen.load += 1;
    }
    const loads = all.map(({ load }) => load);
    expect(Math.max(...loads)).toBeLessThanOrEqual(20);
    expect(loads.filter((load) => load > 0).length).toBeGreaterThan(1);
  });

  it("does not depend on the order in which the replicas are named", () => {
    fc.assert(
      fc.property(replicas, sessions, (all, each) => {
        const reversed = all.toReversed();
        for (const key of each) expect(homeOf(key, reversed)).toBe(homeOf(key, all));
      }),
    );
  });

  it("moves the sessions of a replica that goes, and no others", () => {
    fc.assert(
      fc.property(replicas, sessions, fc.nat(), (all, each, pick) => {
        const gone = all[pick % all.length]?.name;
        const rest = all.filter(({ name }) => name !== gone);
        const kept = each.filter((key) => homeOf(key, all) !== gone);
        expect(kept.map((key) => homeOf(key, rest))).toEqual(kept.map((key) => homeOf(key, all)));
      }),
    );
  });

  it("moves sessions to a replica that comes, and none among the others", () => {
    fc.assert(
      fc.property(replicas, sessions, (all, each) => {
        const [newcomer, ...before] = all;
        const kept = each.filter((key) => homeOf(key, all) !== newcomer?.name);
        expect(kept.map((key) => homeOf(key, before))).toEqual(kept.map((key) => homeOf(key, all)));
      }),
    );
  });

  it("shares sessions out by weight", () => {
    const all = [replica("edge-a", 1), replica("edge-b", 1), replica("cloud-a", 4)];
    const counts = Object.groupBy(keys, (key) => homeOf(key, all) ?? "");
    const partOf = (name: string): number => (counts[name]?.length ?? 0) / keys.length;
    expect(partOf("edge-a")).toBeCloseTo(1 / 6, 1);
    expect(partOf("edge-b")).toBeCloseTo(1 / 6, 1);
    expect(partOf("cloud-a")).toBeCloseTo(4 / 6, 1);
  });
});

describe("fractionOf", () => {
  it("spreads keys evenly from 0 to below 1", () => {
    const fractions = keys.map(fractionOf);
    expect(Math.min(...fractions)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...fractions)).toBeLessThan(1);
    for (const part of [0.1, 0.5, 0.9])
      expect(fractions.filter((each) => each < part).length / keys.length).toBeCloseTo(part, 1);
  });
});
