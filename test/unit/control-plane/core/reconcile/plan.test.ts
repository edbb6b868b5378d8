import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Fleet, FleetNode, FleetPlacement } from "../../../../../control-plane/core/fleet/types.ts";
import { planFleet } from "../../../../../control-plane/core/reconcile/plan.ts";
import { describePlan } from "../../../../../control-plane/core/reconcile/steps.ts";
import type { PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aSilentNode,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test" };
const plan = (fleet: Fleet, over: Partial<PlanContext> = {}): readonly string[] =>
  describePlan(planFleet(fleet, { ...context, ...over }).steps);

const two = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
const one = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });
const versions = [aVersion("digits", 1)];
const [a, b, c] = [aNode("edge-a"), aNode("edge-b"), aNode("edge-c")];

describe("planFleet", () => {
  it("places the wanted replicas on different nodes", () => {
    const steps = plan(aFleet({ nodes: [a, b, c], deployments: [two], versions }));
    expect(steps).toHaveLength(2);
    expect(new Set(steps).size).toBe(2);
  });

  it("puts deployments with more streams than one node runs on different nodes, and none where they would not run", () => {
    const streams = ["a", "b", "c", "d"].map((name) => ({ name, source: "inbox", sink: "outbox" }));
    const reading = ["mill", "press"].map((name) =>
      aDeployment({ name, model: "digits", version: 1, placement: { edge: { min: 1 } }, streams }),
    );
    const both = plan(aFleet({ nodes: [a, b], deployments: reading, versions }));
    expect(both.toSorted()).toEqual(["place digits:1 on edge-a", "place digits:1 on edge-b"]);
    expect(plan(aFleet({ nodes: [a], deployments: reading, versions }))).toEqual(["place digits:1 on edge-a"]);
  });

  it("plans nothing when every desired placement is there", () => {
    expect(
      plan(aFleet({ nodes: [a, b], deployments: [two], versions, placements: [aPlacement(a), aPlacement(b)] })),
    ).toEqual([]);
  });

  it("places what fits and leaves the rest when there are fewer nodes than replicas", () => {
    expect(plan(aFleet({ nodes: [a], deployments: [two], versions }))).toEqual(["place digits:1 on edge-a"]);
  });

  it("counts a placement that is still downloading, so that a second run plans nothing", () => {
    const placements = [aPlacement(a, { state: "downloading" })];
    expect(plan(aFleet({ nodes: [a, b], deployments: [one], versions, placements }))).toEqual([]);
  });

  it("moves a replica off a lost node", () => {
    const lost = aSilentNode("edge-a", 61_000);
    expect(plan(aFleet({ nodes: [lost, b], deployments: [one], versions, placements: [aPlacement(lost)] }))).toEqual([
      "place digits:1 on edge-b",
    ]);
  });

  it("does not move a replica off a suspect node", () => {
    const suspect = aSilentNode("edge-a", 20_000);
    expect(
      plan(aFleet({ nodes: [suspect, b], deployments: [one], versions, placements: [aPlacement(suspect)] })),
    ).toEqual([]);
  });

  it("removes the lost placement only when its replacement is ready", () => {
    const lost = aSilentNode("edge-a", 61_000);
    const loading = [aPlacement(lost), aPlacement(b, { state: "loading" })];
    expect(plan(aFleet({ nodes: [lost, b], deployments: [one], versions, placements: loading }))).toEqual([]);
    const ready = [aPlacement(lost), aPlacement(b)];
    expect(plan(aFleet({ nodes: [lost, b], deployments: [one], versions, placements: ready }))).toEqual([
      "remove digits:1 from edge-a: edge-a is lost and enough replicas are ready elsewhere",
    ]);
  });

  it("keeps the old placement when its node is back before the replacement is ready", () => {
    const placements = [aPlacement(a), aPlacement(b, { state: "loading", decidedAt: NOW })];
    expect(plan(aFleet({ nodes: [a, b], deployments: [one], versions, placements }))).toEqual([
      "remove digits:1 from edge-b: more replicas than wanted (1)",
    ]);
  });

  const near = ["edge-a1", "edge-a2"].map((name) => aNode(name, { zone: "a" }));
  const [first, second] = near as [FleetNode, FleetNode];
  /** Fits, and is far away: by its score it would not be chosen. */
  const far = aNode("edge-c", { load: a.load && { ...a.load, rttMs: 240, cpuPct: 60 } });

  it.each<[string, FleetNode, Partial<FleetPlacement>]>([
    ["is on a lost node", aSilentNode("edge-b", 61_000), {}],
    ["is on a node that drains", { ...b, draining: true, cordoned: true }, {}],
    ["has failed", b, { state: "failed", stateSince: NOW }],
    ["makes no progress", b, { state: "loading", stateSince: NOW - 3_600_000, decidedAt: NOW - 3_600_000 }],
  ])("keeps its replicas in two zones when the one in the other zone %s", (_what, node, over) => {
    const placements = [aPlacement(first), aPlacement(node, over)];
    expect(plan(aFleet({ nodes: [first, second, node, far], deployments: [two], versions, placements }))).toEqual([
      "place digits:1 on edge-c",
    ]);
  });

  it("takes a replica from the zone with the most when there are too many, and keeps two zones", () => {
    const placements = [aPlacement(first), aPlacement(second), aPlacement(b, { decidedAt: NOW })];
    const nodes = [...near, b];
    expect(plan(aFleet({ nodes, deployments: [two], versions, placements }))).toEqual([
      "remove digits:1 from edge-a1: more replicas than wanted (2)",
    ]);
    const anywhere = aDeployment({ ...two.spec, placement: { edge: { min: 2 }, spread: "none" } });
    expect(plan(aFleet({ nodes, deployments: [anywhere], versions, placements }))).toEqual([
      "remove digits:1 from edge-b: more replicas than wanted (2)",
    ]);
  });

  it("moves nothing while more than 55 % of a fleet of five is gone", () => {
    const lost = ["edge-a", "edge-b", "edge-c"].map((name) => aSilentNode(name, 61_000));
    const rest = [aNode("edge-d"), aNode("edge-e")];
    const placements = lost.map((node) => aPlacement(node));
    const three = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 3 } } });
    expect(plan(aFleet({ nodes: [...lost, ...rest], deployments: [three], versions, placements }))).toEqual([]);
  });

  it("moves nothing from a site while more than 55 % of its nodes are gone, and says so", () => {
    const site = Array.from({ length: 5 }, (_, at) => `quay-${at}`);
    const gone = site.slice(0, 3).map((name) => aSilentNode(name, 61_000, { site: "quay" }));
    const rest = [...site.slice(3).map((name) => aNode(name, { site: "quay" })), a, b, c];
    const placements = gone.map((node) => aPlacement(node));
    const three = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 3 } } });
    const fleet = aFleet({ nodes: [...gone, ...rest], deployments: [three], versions, placements });
    const { steps, decisions } = planFleet(fleet, context);
    expect(steps).toEqual([]);
    expect(decisions.get("digits")?.held).toEqual([
      "more than 55 % of the nodes of site quay are lost, so nothing is moved away from them; remove those that will not come back with `skerry nodes rm`",
    ]);
    const two = aFleet({
      nodes: [...gone.slice(1), aNode("quay-0", { site: "quay" }), ...rest],
      deployments: [three],
      versions,
      placements,
    });
    expect(planFleet(two, context).steps).toHaveLength(2);
  });

  it("moves from the lost nodes of a site again when so many are removed that the rest are not most of it", () => {
    const site = Array.from({ length: 10 }, (_, at) =>
      at < 6 ? aSilentNode(`quay-${at}`, 61_000, { site: "quay" }) : aNode(`quay-${at}`, { site: "quay" }),
    );
    const placements = site.slice(0, 6).map((node) => aPlacement(node));
    const six = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 6 } } });
    const movedWithout = (removed: number): number => {
      const nodes = site.map((node, at) => ({ ...node, revoked: at < removed }));
      const present = aFleet({ nodes: [...nodes, a, b, c], deployments: [six], versions, placements });
      return planFleet(present, context).steps.length;
    };
    expect([0, 1, 2].map(movedWithout)).toEqual([0, 1, 6]);
  });

  it("moves from a lost site of fewer than five nodes", () => {
    const gone = ["quay-0", "quay-1"].map((name) => aSilentNode(name, 61_000, { site: "quay" }));
    const placements = gone.map((node) => aPlacement(node));
    const two = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
    const fleet = aFleet({ nodes: [...gone, a, b, c], deployments: [two], versions, placements });
    expect(planFleet(fleet, context).steps).toHaveLength(2);
  });

  it("takes no silence for a loss in the first lostMs of a new leader", () => {
    const lost = aSilentNode("edge-a", 61_000);
    const fleet = aFleet({ nodes: [lost, b], deployments: [one], versions, placements: [aPlacement(lost)] });
    expect(plan(fleet, { leaderSince: NOW - 30_000 })).toEqual([]);
    expect(plan(fleet, { leaderSince: NOW - 61_000 })).toEqual(["place digits:1 on edge-b"]);
  });

  it("brings the new version up before the old one leaves", () => {
    const both = [aVersion("digits", 1), aVersion("digits", 2)];
    const next = aDeployment({ name: "digits", model: "digits", version: 2, placement: { edge: { min: 1 } } });
    const old = aPlacement(a);
    const steps = plan(aFleet({ nodes: [a], deployments: [next], versions: both, placements: [old] }));
    expect(steps).toEqual(["place digits:2 on edge-a"]);
    const fresh = aPlacement(a, { id: "p-new" as PlacementId, version: 2, decidedAt: NOW });
    expect(plan(aFleet({ nodes: [a], deployments: [next], versions: both, placements: [old, fresh] }))).toEqual([
      "remove digits:1 from edge-a: digits:2 took over",
    ]);
  });

  it("keeps the old version serving while the new one fails", () => {
    const both = [aVersion("digits", 1), aVersion("digits", 2)];
    const next = aDeployment({ name: "digits", model: "digits", version: 2, placement: { edge: { min: 1 } } });
    const failed = aPlacement(a, {
      id: "p-new" as PlacementId,
      version: 2,
      state: "failed",
      stateSince: NOW,
      failure: { code: "LOAD_FAILED", detail: "" },
    });
    expect(
      plan(aFleet({ nodes: [a], deployments: [next], versions: both, placements: [aPlacement(a), failed] })),
    ).toEqual([]);
  });

  it("tries another node at once and the same node after 15 minutes when a placement failed", () => {
    const failure = { code: "WARMUP_TIMEOUT", detail: "" } as const;
    const justNow = [aPlacement(a, { state: "failed", stateSince: NOW - 1_000, failure })];
    expect(plan(aFleet({ nodes: [a, b], deployments: [one], versions, placements: justNow }))).toEqual([
      "place digits:1 on edge-b",
    ]);
    expect(plan(aFleet({ nodes: [a], deployments: [one], versions, placements: justNow }))).toEqual([]);
    const longAgo = [aPlacement(a, { state: "failed", stateSince: NOW - 15 * 60_000, failure })];
    expect(plan(aFleet({ nodes: [a], deployments: [one], versions, placements: longAgo }))).toEqual([
      "retry digits:1 on edge-a",
    ]);
  });

  it("empties a draining node, make before break", () => {
    const draining = aNode("edge-a", { draining: true });
    const before = [aPlacement(draining)];
    expect(plan(aFleet({ nodes: [draining, b], deployments: [one], versions, placements: before }))).toEqual([
      "place digits:1 on edge-b",
    ]);
    const after = [...before, aPlacement(b)];
    expect(plan(aFleet({ nodes: [draining, b], deployments: [one], versions, placements: after }))).toEqual([
      "remove digits:1 from edge-a: edge-a is draining",
    ]);
  });

  it("removes what a deleted deployment leaves, and deletes what is gone from its node", () => {
    const orphan = aPlacement(a, { deployment: undefined });
    expect(plan(aFleet({ nodes: [a], versions, placements: [orphan] }))).toEqual([
      "remove digits:1 from edge-a: its deployment was deleted",
    ]);
    const gone = aPlacement(a, { wanted: "gone", state: "gone" });
    expect(plan(aFleet({ nodes: [a], versions, placements: [gone] }))).toEqual(["delete digits:1 on edge-a"]);
  });

  it("puts one replica on each matching node with every: true", () => {
    const every = aDeployment({
      name: "digits",
      model: "digits",
      version: 1,
      placement: { where: { matchLabels: { camera: "yes" } }, edge: { every: true } },
    });
    const nodes = [aNode("edge-a", { labels: { camera: "yes" } }), b, aNode("edge-c", { labels: { camera: "yes" } })];
    expect(plan(aFleet({ nodes, deployments: [every], versions })).toSorted()).toEqual([
      "place digits:1 on edge-a",
      "place digits:1 on edge-c",
    ]);
  });

  it("asks for no replica on a node that waits for an approval, with every: true", () => {
    const every = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { every: true } } });
    const waiting = { until: NOW, from: "10.0.0.7", publicKey: "k" };
    const nodes = [aNode("edge-a"), aNode("edge-w", { session: undefined, capabilities: undefined, waiting })];
    const placed = [aPlacement(aNode("edge-a"))];
    const fleet = aFleet({ nodes, deployments: [every], versions, placements: placed });
    expect(plan(fleet)).toEqual([]);
  });

  it("takes a deployment that became edge-only off a cloud node at once, even before the edge is ready", () => {
    const cloud = aNode("cloud-a", { kind: "cloud" });
    const spec = {
      name: "digits",
      model: "digits",
      version: 1,
      placement: { residency: "edge-only", edge: { min: 1 } },
    } as const;
    const fleet = aFleet({
      nodes: [cloud, a],
      deployments: [aDeployment(spec)],
      versions,
      placements: [aPlacement(cloud)],
    });
    expect(plan(fleet)).toEqual([
      "place digits:1 on edge-a",
      "remove digits:1 from cloud-a: cloud-a no longer matches the deployment",
    ]);
  });

  it("follows an alias", () => {
    const champion = aDeployment({
      name: "digits",
      model: "digits",
      version: "champion",
      placement: { edge: { min: 1 } },
    });
    const aliases = [{ model: "digits", alias: "champion", version: 1 }];
    expect(plan(aFleet({ nodes: [a], deployments: [champion], versions, aliases }))).toEqual([
      "place digits:1 on edge-a",
    ]);
    expect(plan(aFleet({ nodes: [a], deployments: [champion], versions }))).toEqual([]);
  });

  it("does not promise the same memory to two deployments in one plan", () => {
    const small = aNode("edge-a", { capabilities: { ...capabilitiesOf(a), memMiB: 600 } });
    const deployments = ["one", "two"].map((name) =>
      aDeployment({ name, model: "digits", version: 1, placement: { edge: { min: 1 } } }),
    );
    expect(plan(aFleet({ nodes: [small], deployments, versions }))).toEqual(["place digits:1 on edge-a"]);
  });

  it("is deterministic, plans no step twice, and settles: what it plans, once done, needs no further step", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 8 }),
        fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
        (size, wanted, cordons) => {
          const nodes = Array.from({ length: size }, (_, index) =>
            aNode(`edge-${index}`, { cordoned: cordons[index] ?? false, zone: `z${index % 3}` }),
          );
          const deployment = aDeployment({
            name: "digits",
            model: "digits",
            version: 1,
            placement: { edge: { min: wanted } },
          });
          const fleet = aFleet({ nodes, deployments: [deployment], versions });
          const { steps } = planFleet(fleet, context);
          expect(planFleet(fleet, context).steps).toEqual(steps);
          expect(new Set(describePlan(steps)).size).toBe(steps.length);
          const placements = steps.flatMap((step) =>
            step.kind === "placement.create" ? [placed(nodes, step.nodeId)] : [],
          );
          const done = aFleet({ nodes, deployments: [deployment], versions, placements });
          expect(plan(done)).toEqual([]);
        },
      ),
    );
  });
});

function placed(nodes: readonly FleetNode[], nodeId: string): FleetPlacement {
  const node = nodes.find(({ id }) => id === nodeId);
  if (!node) throw new Error(`no node ${nodeId}`);
  return aPlacement(node);
}

function capabilitiesOf(node: FleetNode): NonNullable<FleetNode["capabilities"]> {
  if (!node.capabilities) throw new Error("no capabilities");
  return node.capabilities;
}
