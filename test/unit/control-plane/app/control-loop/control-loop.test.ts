import { describe, expect, it } from "@jest/globals";
import { ControlLoop } from "../../../../../control-plane/app/control-loop/control-loop.ts";
import type { Execute } from "../../../../../control-plane/app/control-loop/effects/effects.ts";
import { Leadership } from "../../../../../control-plane/app/control-loop/leadership.ts";
import type { FleetRows } from "../../../../../control-plane/core/fleet/types.ts";
import type { Demand } from "../../../../../control-plane/core/scaling/demand.ts";
import { describePlan, isCreate } from "../../../../../control-plane/core/reconcile/steps.ts";
import type { PlanOutcome } from "../../../../../control-plane/ports/plan.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const rows: Partial<FleetRows> = {
  nodes: [aNode("edge-a")],
  versions: [aVersion("digits", 1)],
  deployments: [aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } })],
};

/** A loop that leads over a fleet in which one placement is missing for ever: every run executes that step. */
async function startLoop(answer: () => Promise<PlanOutcome> | PlanOutcome, from: Partial<FleetRows> = rows) {
  const clock = new TestClock(NOW);
  const fleet = await fleetOf(from, clock);
  const leadership = new Leadership({
    store: { acquire: (holder) => Promise.resolve({ holder, token: 1n }), release: () => Promise.resolve() },
    replica: "r-1",
    clock,
    logger: silentLogger,
    onElected: () => undefined,
    onUnanswered: () => undefined,
  });
  leadership.start();
  await settle();
  const executed: string[] = [];
  let atOnce = 0;
  let mostAtOnce = 0;
  const execute: Execute = async (steps) => {
    executed.push(...describePlan(steps));
    mostAtOnce = Math.max(mostAtOnce, ++atOnce);
    try {
      return steps.some(isCreate) ? await answer() : "committed";
    } finally {
      atOnce -= 1;
    }
  };
  const demands = new Map<string, Demand>();
  const loop = new ControlLoop({
    gate: () => undefined,
    fleet,
    leadership,
    execute,
    demands: () => [{ replica: "r-a", demands, hops: new Map() }],
    pools: () => [],
    scaleDownMs: 60_000,
    timings: TIMINGS,
    clock,
    logger: silentLogger,
  });
  return { clock, fleet, leadership, loop, demands, executed, mostAtOnce: () => mostAtOnce };
}

const PLACE = "place digits:1 on edge-a";
const placed = (executed: readonly string[]): number => executed.filter((step) => step === PLACE).length;

describe("the control loop", () => {
  it("executes what it plans 20 ms after a trigger, and plans again every second", async () => {
    const { clock, fleet, loop, executed } = await startLoop(() => "stale", { ...rows, deployments: [] });
    loop.trigger("test");
    await clock.advance(5_000);
    expect(executed).toEqual([]);
    fleet.apply({
      type: "rows-loaded",
      rows: { aliases: [], placements: [], nodes: [], versions: [], deployments: [], ...rows },
    });
    await clock.advance(1_000);
    expect(placed(executed)).toBeGreaterThanOrEqual(1);
    await loop.stop();
    await fleet.stop();
  });

  it("retries a failed placement when its pause is over, though nothing else happens", async () => {
    const node = aNode("edge-a");
    const failed = aPlacement(node, { state: "failed", stateSince: NOW });
    const { clock, fleet, loop, executed } = await startLoop(() => "committed", {
      ...rows,
      nodes: [node],
      placements: [failed],
    });
    const retries = (): number => executed.filter((step) => step === "retry digits:1 on edge-a").length;
    loop.trigger("test");
    await clock.advance(15 * 60_000 - 1_000);
    expect(retries()).toBe(0);
    await clock.advance(2_000);
    expect(retries()).toBeGreaterThanOrEqual(1);
    await loop.stop();
    await fleet.stop();
  });

  it("runs once at a time, and once more for all triggers during a run, after a rest of twice its time or a second", async () => {
    const release: (() => void)[] = [];
    const { clock, fleet, loop, executed, mostAtOnce } = await startLoop(
      () => new Promise((resolve) => release.push(() => resolve("stale"))),
    );
    loop.trigger("first");
    await clock.advance(20);
    expect(placed(executed)).toBe(1);
    for (let trigger = 0; trigger < 5; trigger += 1) loop.trigger("during the run");
    await clock.advance(100);
    expect(placed(executed)).toBe(1);
    release.shift()?.();
    await settle();
    await clock.advance(199);
    expect(placed(executed)).toBe(1);
    await clock.advance(1);
    expect(placed(executed)).toBe(2);
    loop.trigger("during the run");
    await clock.advance(800);
    release.shift()?.();
    await settle();
    await clock.advance(998);
    expect(placed(executed)).toBe(2);
    await clock.advance(1);
    expect(placed(executed)).toBe(3);
    expect(mostAtOnce()).toBe(1);
    release.shift()?.();
    await clock.advance(999);
    expect(placed(executed)).toBe(3);
    await loop.stop();
    await fleet.stop();
  });

  it("stops leading when a step finds another leader", async () => {
    const { clock, fleet, leadership, loop, executed } = await startLoop(() => "fenced");
    loop.trigger("test");
    await clock.advance(20);
    expect(executed).toEqual([PLACE]);
    expect(leadership.current()).toBeUndefined();
    await clock.advance(1_500);
    expect(executed).toEqual([PLACE]);
    await loop.stop();
    await fleet.stop();
  });

  it("plans again after a step that threw", async () => {
    let failures = 1;
    const { clock, fleet, loop, executed } = await startLoop(() => {
      if (failures-- > 0) throw new Error("the database is away");
      return "committed";
    });
    loop.trigger("test");
    await clock.advance(20);
    await clock.advance(1_000);
    expect(placed(executed)).toBe(2);
    await loop.stop();
    await fleet.stop();
  });

  it("does nothing while another replica leads", async () => {
    const { clock, fleet, leadership, loop, executed } = await startLoop(() => "committed");
    leadership.lost();
    loop.trigger("test");
    await clock.advance(1_500);
    expect(executed).toEqual([]);
    await loop.stop();
    await fleet.stop();
  });

  it("executes nothing after it was stopped", async () => {
    const { clock, fleet, loop, executed } = await startLoop(() => "committed");
    loop.trigger("test");
    await loop.stop();
    await clock.advance(5_000);
    expect(executed).toEqual([]);
    await fleet.stop();
  });
});
