import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { findingsOf } from "../../../../../control-plane/core/reconcile/deployment-status.ts";
import { statusSteps } from "../../../../../control-plane/core/reconcile/status-steps.ts";
import { planFleet } from "../../../../../control-plane/core/reconcile/plan.ts";
import type { PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import type { Fleet, FleetDeployment, FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import { anyChange, ChangingWorld } from "../../../../support/fleet/changing-world.ts";
import {
  aDeployment,
  aFleet,
  aFleetSession,
  aNode,
  aPlacement,
  aSilentNode,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test" };

describe("a plan that keeps decisions of the one before", () => {
  it("is the plan that is made without it, whatever happens to the fleet, and so are the statuses", () => {
    let kept = 0;
    fc.assert(
      fc.property(fc.array(anyChange, { minLength: 10, maxLength: 40 }), (changes) => {
        const world = new ChangingWorld();
        const begin = { kind: "executed", isReady: true } as const;
        let before:
          | { readonly plan: ReturnType<typeof planFleet>; readonly findings: ReturnType<typeof findingsOf> }
          | undefined;
        for (const change of [begin, begin, begin, ...changes]) {
          const fleet = world.fleet();
          const now = { ...context, now: world.now, targets: world.targets };
          const plan = planFleet(fleet, now, before?.plan);
          const whole = planFleet(fleet, now);
          expect([plan.steps, plan.decisions, plan.wakeAt]).toEqual([whole.steps, whole.decisions, whole.wakeAt]);
          const findings = findingsOf(fleet, plan, { ...now, known: before?.findings });
          expect(findings).toEqual(findingsOf(fleet, whole, now));
          kept += plan.kept.size;
          before = { plan, findings };
          world.happen(change, [...plan.steps, ...statusSteps(fleet, findings)]);
        }
      }),
    );
    expect(kept).toBeGreaterThan(100);
  });

  const versions = [aVersion("digits", 1), aVersion("faces", 1)];
  const [a, b, c] = [aNode("edge-a"), aNode("edge-b"), aNode("edge-c")];
  const onTwo = (name: string, over: { readonly every?: boolean } = {}): FleetDeployment =>
    aDeployment({ name, model: name, version: 1, placement: { edge: over.every ? { every: true } : { min: 2 } } });
  const deployments = [onTwo("digits"), onTwo("faces")];
  const placed = [
    ...[a, b].map((node) => aPlacement(node)),
    ...[b, c].map((node) => aPlacement(node, { id: `f-${node.name}` as never, deployment: "faces", model: "faces" })),
  ];
  const settled = aFleet({ nodes: [a, b, c], versions, deployments, placements: placed });
  const withNodes = (nodes: readonly FleetNode[]): Fleet => ({
    ...settled,
    nodes: new Map(nodes.map((node) => [node.id as string, node])),
  });
  const keptAfter = (fleet: Fleet, over: Partial<PlanContext> = {}, from = settled): readonly string[] => [
    ...planFleet(fleet, { ...context, ...over }, planFleet(from, context)).kept,
  ];

  it("keeps all of them while nothing changes but loads, cordons and the time", () => {
    expect(keptAfter(settled)).toEqual(["digits", "faces"]);
    const busy = { ...a, load: a.load && { ...a.load, cpuPct: 99 } };
    expect(keptAfter(withNodes([busy, { ...b, cordoned: true }, c]), { now: NOW + 10_000 })).toEqual([
      "digits",
      "faces",
    ]);
  });

  it("makes all of them anew once a minute", () => {
    const heard = withNodes(
      [a, b, c].map((node) => ({ ...node, session: aFleetSession({ ownerSeen: NOW + 60_000 }) })),
    );
    expect(keptAfter(heard, { now: NOW + 59_999 }, heard)).toEqual(["digits", "faces"]);
    expect(keptAfter(heard, { now: NOW + 60_000 }, heard)).toEqual([]);
  });

  it.each([
    ["is silent", aSilentNode("edge-a", 20_000)],
    ["is draining", { ...a, draining: true }],
    ["has other labels", { ...a, labels: { gpu: "true" } }],
  ])("plans anew what is on a node that %s, and nothing else", (_what, node) => {
    expect(keptAfter(withNodes([node, b, c]))).toEqual(["faces"]);
  });

  it("plans anew a deployment that is on every node when one comes or comes back", () => {
    const every = [onTwo("digits", { every: true }), onTwo("faces")];
    const onAll = [aPlacement(c), ...placed];
    const fleet = aFleet({ nodes: [a, b, c], versions, deployments: every, placements: onAll });
    const d = aNode("edge-d");
    const withD = (node: FleetNode): Fleet => ({
      ...fleet,
      nodes: new Map([...fleet.nodes, [node.id as string, node]]),
    });
    const revoked = withD({ ...d, revoked: true });
    expect(keptAfter(fleet, {}, fleet)).toEqual(["digits", "faces"]);
    expect(keptAfter(withD(d), {}, fleet)).toEqual(["faces"]);
    expect(keptAfter(withD(d), {}, revoked)).toEqual(["faces"]);
    const waiting = withD({ ...d, session: undefined, waiting: { until: NOW, from: "10.0.0.7", publicKey: "k" } });
    expect(keptAfter(withD(d), {}, waiting)).toEqual(["faces"]);
    expect(keptAfter(withD({ ...d, cordoned: true }), {}, withD(d))).toEqual(["faces"]);
  });

  it("plans anew a deployment whose demand asks for another number of replicas", () => {
    const growing = aDeployment({
      name: "digits",
      model: "digits",
      version: 1,
      placement: { edge: { min: 1, max: 4 } },
    });
    const fleet = aFleet({ nodes: [a, b, c], versions, deployments: [growing, onTwo("faces")], placements: placed });
    const asking = (edge: number): Partial<PlanContext> => ({ targets: new Map([["digits", { edge, cloud: 0 }]]) });
    const before = planFleet(fleet, { ...context, ...asking(2) });
    const keptWith = (edge: number) => [...planFleet(fleet, { ...context, ...asking(edge) }, before).kept];
    expect(keptWith(2)).toEqual(["digits", "faces"]);
    expect(keptWith(3)).toEqual(["faces"]);
  });

  it("plans anew what is not settled: a replica that is missing, not ready, or of an older version", () => {
    const [first, ...rest] = placed;
    if (!first) throw new Error("there is no placement");
    const loading = aFleet({
      nodes: [a, b, c],
      versions,
      deployments,
      placements: [{ ...first, state: "loading" }, ...rest],
    });
    expect(keptAfter(loading, {}, loading)).toEqual(["faces"]);
    const missing = aFleet({ nodes: [a, b, c], versions, deployments, placements: rest });
    expect(keptAfter(missing, {}, missing)).toEqual(["faces"]);
  });
});
