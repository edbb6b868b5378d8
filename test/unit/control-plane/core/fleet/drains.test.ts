import { describe, expect, it } from "@jest/globals";
import { drainTransitions, nextDeadline } from "../../../../../control-plane/core/fleet/drains.ts";
import type { FleetNode, FleetPlacement } from "../../../../../control-plane/core/fleet/types.ts";
import { basisOf, holds } from "../../../../../control-plane/core/reconcile/plan-basis.ts";
import { planFleet } from "../../../../../control-plane/core/reconcile/plan.ts";
import { describePlan } from "../../../../../control-plane/core/reconcile/steps.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const draining = (drain: Partial<NonNullable<FleetNode["drain"]>> = {}): FleetNode =>
  aNode("edge-a", {
    cordoned: true,
    draining: true,
    drain: { deadline: NOW, removes: false, announced: undefined, revision: 7, ...drain },
  });
const fleetWith = (node: FleetNode, placements: readonly FleetPlacement[] = [aPlacement(node)]) =>
  aFleet({
    nodes: [node],
    placements,
    versions: [aVersion("digits", 1)],
    deployments: [aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } })],
  });

describe("what is announced of a drain", () => {
  const here = draining();
  it.each([
    ["before its deadline", fleetWith(draining({ deadline: NOW + 1 })), []],
    ["without a deadline", fleetWith({ ...here, drain: undefined }), []],
    ["at its deadline", fleetWith(here), ["NodeDrainOverdue"]],
    ["when that was announced", fleetWith(draining({ announced: "overdue" })), []],
    ["when the node is empty, before the deadline", fleetWith(draining({ deadline: NOW + 1 }), []), ["NodeDrained"]],
    ["when the node is empty, later", fleetWith(draining({ announced: "overdue" }), []), ["NodeDrained"]],
    ["when its end was announced", fleetWith(draining({ announced: "done" }), []), []],
    ["when it was ended", fleetWith({ ...here, draining: false }), []],
  ])("%s", (_, fleet, reasons) => {
    expect(drainTransitions(fleet, NOW).map(({ event }) => event.reason)).toEqual(reasons);
  });

  it("says what it waits for, and what comes then", () => {
    const node = draining({ removes: true });
    const leaving = aPlacement(node, { wanted: "gone", state: "draining", deployment: "faces", model: "faces" });
    const [found] = drainTransitions(
      fleetWith(node, [aPlacement(node), { ...leaving, id: "p-2" as FleetPlacement["id"] }]),
      NOW,
    );
    expect(found).toMatchObject({ revision: 7, to: "overdue" });
    expect(found?.event.message).toBe(
      "the drain of edge-a is past its deadline, what is left is removed now: " +
        "digits:1 of digits (ready) stays until enough others are ready elsewhere; faces:1 of faces leaves: its requests end",
    );
  });
});

describe("a replica that no other node takes", () => {
  const planned = (node: FleetNode, now: number) =>
    describePlan(planFleet(fleetWith(node), { now, timings: TIMINGS, trigger: "test" }).steps);

  it("stays on a draining node until the deadline, and leaves then only if it is to be removed", () => {
    const [waits, removes] = [draining({ deadline: NOW + 5 }), draining({ deadline: NOW + 5, removes: true })];
    expect(planned(waits, NOW + 4)).toEqual([]);
    expect(planned(waits, NOW + 5)).toEqual([]);
    expect(planned(removes, NOW + 4)).toEqual([]);
    expect(planned(removes, NOW + 5)).toEqual([
      "remove digits:1 from edge-a: the drain of edge-a is past its deadline",
    ]);
  });
});

describe("a plan without steps", () => {
  it("is made again when the next deadline of a drain passes", () => {
    const fleet = fleetWith(draining({ deadline: NOW + 900 }), []);
    const context = { now: NOW, timings: TIMINGS, trigger: "test" };
    expect(nextDeadline(fleet, NOW)).toBe(NOW + 900);
    const basis = basisOf(fleet, planFleet(fleet, context), context);
    expect(holds(basis, fleet, { ...context, now: NOW + 899 })).toBe(true);
    expect(holds(basis, fleet, { ...context, now: NOW + 900 })).toBe(false);
  });
});
