import { describe, expect, it } from "@jest/globals";
import { fleetCounts } from "../../../../../control-plane/app/fleet/fleet-counts.ts";
import { RolloutWorld } from "../../../../support/fleet/rollout-world.ts";
import { TIMINGS } from "../../../../support/fleet/fleet-builder.ts";

describe("the counts of the metrics", () => {
  it("have the newest rollout of each deployment by its phase", () => {
    const world = new RolloutWorld();
    world.standStill();
    const counted = () => [...fleetCounts(world.fleet(), world.now, TIMINGS).rollouts].filter(([, count]) => count > 0);
    expect(counted()).toEqual([]);
    world.declare({ version: 2 });
    world.standStill();
    expect(counted()).toEqual([["baking", 1]]);
    world.act("pause");
    expect(counted()).toEqual([["paused", 1]]);
  });
});
