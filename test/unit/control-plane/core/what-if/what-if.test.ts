import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { planFleet } from "../../../../../control-plane/core/reconcile/plan.ts";
import type { FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import type { PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import { changedFleet } from "../../../../../control-plane/core/what-if/fleet-changes.ts";
import { whatIf } from "../../../../../control-plane/core/what-if/what-if.ts";
import { planRequest } from "../../../../../shared/api/v1/deployments/plan.ts";
import { anyChange, ChangingWorld } from "../../../../support/fleet/changing-world.ts";
import { aFleet, aNode, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";
import { aLoad } from "../../../../support/fleet/scheduling-fixture.ts";

const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "what-if" };

/** A fleet to which anything has happened, after some plans were carried out. */
const anyWorld = fc.array(anyChange, { maxLength: 25 }).map((changes) => {
  const world = new ChangingWorld();
  const begin = { kind: "executed", isReady: true } as const;
  for (const change of [begin, begin, ...changes])
    world.happen(change, planFleet(world.fleet(), { ...context, now: world.now, targets: world.targets }).steps);
  return { fleet: world.fleet(), context: { ...context, now: world.now, targets: world.targets } };
});

describe("what if nothing is changed", () => {
  it("begins with the plan of the control loop, whatever happened to the fleet", () => {
    fc.assert(
      fc.property(anyWorld, (world) => {
        const [first] = whatIf(changedFleet(world.fleet, planRequest.parse({}), world.context.now), world.context);
        expect(first?.plan.steps).toEqual(planFleet(world.fleet, world.context).steps);
      }),
    );
  });

  it("ends in a fleet for which the control loop plans nothing, and that is empty from there on", () => {
    let moved = 0;
    fc.assert(
      fc.property(anyWorld, (world) => {
        const rounds = [...whatIf(world.fleet, world.context)];
        const last = rounds.at(-1);
        if (!last) throw new Error("there is no round");
        moved += rounds.length - 1;
        expect(last.isLast).toBe(true);
        expect(planFleet(last.fleet, world.context).steps).toEqual([]);
        const again = [...whatIf(changedFleet(last.fleet, planRequest.parse({}), world.context.now), world.context)];
        expect(again.flatMap(({ plan }) => plan.steps)).toEqual([]);
        expect(again).toHaveLength(1);
      }),
    );
    expect(moved).toBeGreaterThan(5);
  });
});

describe("what if the load of a node is another one", () => {
  const changed = (node: FleetNode, load: object) =>
    changedFleet(
      aFleet({ nodes: [node] }),
      planRequest.parse({ nodes: { load: [{ node: node.name, ...load }] } }),
      NOW,
    ).nodes.get(node.id)?.load;

  it("keeps everything else that the node reported", () => {
    const reported = aLoad({
      at: NOW - 900,
      rif: 3,
      pushBytesPerMs: 100,
      pushMeasuredAt: NOW - 5_000,
      errors: [{ model: "digits", version: 1, requests: 100, errors: 20, at: NOW - 900, erredAt: NOW - 900 }],
      streams: [],
    });
    expect(changed(aNode("edge-a", { load: reported }), { cpuPct: 90 })).toEqual({ ...reported, at: NOW, cpuPct: 90 });
  });

  it("takes a node that reported nothing to be idle", () => {
    expect(changed(aNode("edge-a", { load: undefined }), { rttMs: 40 })).toEqual(
      aLoad({ cpuPct: 0, memFreeMiB: 8_192, diskFreeMiB: 100_000, rttMs: 40 }),
    );
  });
});
