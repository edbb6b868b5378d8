import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { NO_DEMAND, sumOfDemands, type Demand } from "../../../../../control-plane/core/scaling/demand.ts";
import { replicasFor, workersFor } from "../../../../../control-plane/core/scaling/staffing.ts";

const demand = (over: Partial<Demand>): Demand => ({ ...NO_DEMAND, ...over });
const anyDemand = fc.record({
  ratePerS: fc.double({ min: 0, max: 100_000, noNaN: true }),
  serviceMs: fc.option(fc.double({ min: 0.01, max: 60_000, noNaN: true }), { nil: undefined }),
  waiting: fc.nat(10_000),
  slots: fc.integer({ min: 1, max: 64 }),
});

describe("replicas for a demand", () => {
  it.each([
    ["200/s of 15 ms, four at once", { ratePerS: 200, serviceMs: 15, slots: 4 }, 2],
    ["200/s of 15 ms, one at once", { ratePerS: 200, serviceMs: 15 }, 6],
    ["37/s of 12 ms", { ratePerS: 37, serviceMs: 12 }, 2],
    ["one request a minute", { ratePerS: 1 / 60, serviceMs: 12 }, 1],
    ["a first request of an unknown service time", { ratePerS: 1 / 3, waiting: 1 }, 1],
    ["nothing but 500 requests of 100 ms that wait", { serviceMs: 100, waiting: 500 }, 10],
    ["no request", {}, 0],
  ])("are as many as the square root staffing says: %s", (_, over, replicas) => {
    expect(replicasFor(demand(over))).toBe(replicas);
  });

  it("carry the mean load, and never get fewer when more is asked", () => {
    const property = fc.property(anyDemand, fc.double({ min: 1, max: 10, noNaN: true }), (of, factor) => {
      const replicas = replicasFor(of);
      const load = (of.ratePerS * (of.serviceMs ?? 100)) / 1_000;
      const more = replicasFor({ ...of, ratePerS: of.ratePerS * factor });
      return Number.isInteger(replicas) && replicas * of.slots >= load - 1e-6 && more >= replicas;
    });
    expect(fc.check(property).counterexample).toBeNull();
  });

  it("share out no worse for two deployments in one than for each alone", () => {
    const property = fc.property(anyDemand, anyDemand, (a, b) => {
      const slots = { slots: 1 };
      const together = workersFor(
        sumOfDemands([
          { ...a, ...slots },
          { ...b, ...slots },
        ]),
      );
      const known = a.serviceMs !== undefined && b.serviceMs !== undefined && a.ratePerS > 1 && b.ratePerS > 1;
      const idle = a.waiting === 0 && b.waiting === 0;
      return !known || !idle || together <= workersFor(a) + workersFor(b) + 1e-6;
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("the demand that several control planes see", () => {
  it("adds rates and what waits, and weighs service times by the rates", () => {
    const sum = sumOfDemands([
      demand({ ratePerS: 30, serviceMs: 10, waiting: 1, slots: 2 }),
      demand({ ratePerS: 10, serviceMs: 30, waiting: 2 }),
      demand({ waiting: 3 }),
    ]);
    expect(sum).toEqual({ ratePerS: 40, serviceMs: 15, waiting: 6, slots: 2 });
  });

  it("is none when there is none", () => {
    expect(sumOfDemands([])).toEqual(NO_DEMAND);
  });
});
