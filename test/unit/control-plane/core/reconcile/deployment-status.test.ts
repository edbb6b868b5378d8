import { describe, expect, it } from "@jest/globals";
import type { FleetDeployment, FleetPlacement } from "../../../../../control-plane/core/fleet/types.ts";
import { deploymentFindings, findingsOf } from "../../../../../control-plane/core/reconcile/deployment-status.ts";
import { statusSteps } from "../../../../../control-plane/core/reconcile/status-steps.ts";
import { planFleet } from "../../../../../control-plane/core/reconcile/plan.ts";
import { describePlan } from "../../../../../control-plane/core/reconcile/steps.ts";
import type { PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import { planDeployment } from "../../../../../control-plane/core/scheduling/planning/plan-among.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import { aRollout } from "../../../../support/fleet/a-rollout.ts";
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
const [a, b] = [aNode("edge-a"), aNode("edge-b")];
const digits = (min: number, version: number | string = 1) =>
  aDeployment({ name: "digits", model: "digits", version, placement: { edge: { min } } });

/** The conditions as `Type=Status Reason`, and what else the story is about. */
function statusOf(parts: Parameters<typeof aFleet>[0], deployment = digits(2)) {
  const fleet = aFleet({
    nodes: [a, b],
    versions: [aVersion("digits", 1), aVersion("digits", 2)],
    deployments: [deployment],
    ...parts,
  });
  const status = deploymentFindings(fleet, deployment, {
    ...context,
    plan: planDeployment(fleet, deployment, context),
  });
  return { ...status, text: status.conditions.map(({ type, status: is, reason }) => `${type}=${is} ${reason}`) };
}

const on = (node: typeof a, over: Partial<FleetPlacement> = {}) => aPlacement(node, over);

describe("the status of a deployment", () => {
  it("is not ready while it has rollouts and declares a version that is not there", () => {
    const spec = { name: "digits", model: "digits", placement: { edge: { min: 2 } }, rollout: {} };
    const of = (version: number, over: Parameters<typeof aVersion>[2] = {}) =>
      statusOf(
        { placements: [on(a), on(b)], versions: [aVersion("digits", 1), aVersion("digits", 2, over)] },
        aDeployment({ ...spec, version }),
      );
    const missing = of(3);
    expect(missing.text).toEqual([
      "Ready=False OldVersionServes",
      "Progressing=False Complete",
      "Stalled=True VersionNotFound",
    ]);
    expect(missing.conditions[2]?.message).toBe("digits:3 does not exist, so no rollout to it begins");
    expect(of(2, { state: "checking" }).text).toContain("Stalled=True VersionNotReady");
    expect(of(2, { state: "rejected" }).text).toContain("Stalled=True VersionRejected");
    expect(of(1).text).toContain("Ready=True AllReplicasReady");
  });

  it("says what a rollout waits for", () => {
    const sentence = "digits:2 waits for approval before it begins";
    const waitsFor = { what: "approval", stage: "start", since: "2026-01-01T00:00:00Z", sentence } as const;
    const deployment = aDeployment({ name: "digits", model: "digits", version: 2, rollout: {} });
    const rollout = aRollout({ phase: "pending", reason: "skerry starts the rollout", waitsFor });
    const versions = [aVersion("digits", 1), aVersion("digits", 2)];
    const status = statusOf({ placements: [on(a), on(b)], versions }, { ...deployment, rollout });
    expect(status.text).toContain("Progressing=True RolloutWaiting");
    expect(status.conditions[1]?.message).toBe(`skerry starts the rollout; ${sentence}`);
  });

  it("is ready when every replica serves", () => {
    const status = statusOf({ placements: [on(a), on(b)] });
    expect(status.text).toEqual([
      "Ready=True AllReplicasReady",
      "Progressing=False Complete",
      "Stalled=False NothingInTheWay",
    ]);
    expect(status).toMatchObject({
      edge: { wanted: 2, placed: 2, ready: 2 },
      activeVersion: 1,
      targetVersion: 1,
      unplaced: [],
    });
  });

  it("progresses while a placement moves, and says how far", () => {
    const status = statusOf({ placements: [on(a), on(b, { state: "downloading", stateSince: NOW - 2_000 })] });
    expect(status.text).toEqual([
      "Ready=False ReplicasMissing",
      "Progressing=True PlacementsMoving",
      "Stalled=False NothingInTheWay",
    ]);
    expect(status.conditions[1]?.message).toBe("1 downloading");
  });

  it("progresses while a replica serves that does not hold a raised memory limit yet, and says where", () => {
    const deployment = aDeployment({
      name: "digits",
      model: "digits",
      version: 1,
      placement: { edge: { min: 2 } },
      limits: { memMiB: 600 },
    });
    const held = (...limits: readonly (number | undefined)[]) =>
      statusOf({ placements: [on(a, { limitMiB: limits[0] }), on(b, { limitMiB: limits[1] })] }, deployment);
    expect(held(160, 600).text.slice(0, 2)).toEqual(["Ready=True AllReplicasReady", "Progressing=True LimitsChanging"]);
    expect(held(160, 600).conditions[1]?.message).toBe("the memory limit of 600 MiB does not hold yet on edge-a");
    expect(held(600, 0).text[1]).toBe("Progressing=False Complete");
    expect(held(undefined, 700).text[1]).toBe("Progressing=False Complete");
  });

  it("progresses before the leader has acted", () => {
    const status = statusOf({});
    expect(status.text).toEqual([
      "Ready=False NoReplicaReady",
      "Progressing=True PlacementsPlanned",
      "Stalled=False NothingInTheWay",
    ]);
    expect(status).toMatchObject({ activeVersion: null });
  });

  it("stalls when no node may hold it, and says why", () => {
    const status = statusOf({ nodes: [a], placements: [on(a)] });
    expect(status.text).toEqual([
      "Ready=False ReplicasMissing",
      "Progressing=False NothingToDo",
      "Stalled=True NoEligibleNode",
    ]);
    expect(status.unplaced.join()).toContain("edge-a already holds digits");
  });

  it("stalls on a failed placement and names node and code", () => {
    const failure = { code: "LOAD_FAILED", detail: "bad" } as const;
    const status = statusOf({ nodes: [a], placements: [on(a, { state: "failed", failure })] }, digits(1));
    expect(status.text[2]).toMatch(/^Stalled=True /);
    expect(status.conditions[2]?.message).toContain("digits:1 failed on edge-a: LOAD_FAILED");
  });

  it("does not count a replica on a node that fell silent", () => {
    const silent = aSilentNode("edge-a", 20_000);
    expect(statusOf({ nodes: [silent, b], placements: [on(silent), on(b)] }).edge).toEqual({
      wanted: 2,
      placed: 2,
      ready: 1,
    });
  });

  it("says that the old version still answers", () => {
    const status = statusOf(
      { placements: [on(a), on(b, { version: 2, state: "loading", id: "p-2" as PlacementId })] },
      digits(1, 2),
    );
    expect(status.text[0]).toBe("Ready=False OldVersionServes");
    expect(status).toMatchObject({ activeVersion: 1, targetVersion: 2 });
  });

  it("answers with the version that is asked for as soon as it has its replicas, however many others still serve", () => {
    const c = aNode("edge-c");
    const fresh = on(b, { version: 2, id: "p-2" as PlacementId });
    const parts = { nodes: [a, b, c], placements: [on(a), on(c), fresh] };
    expect(statusOf(parts, digits(1, 2))).toMatchObject({
      text: expect.arrayContaining(["Ready=True AllReplicasReady"]),
      activeVersion: 2,
    });
    expect(statusOf(parts, digits(2, 2))).toMatchObject({
      text: expect.arrayContaining(["Ready=False ReplicasMissing"]),
      activeVersion: 1,
    });
  });

  it("is not ready on every node while the version before it is on more of them", () => {
    const c = aNode("edge-c", { labels: { ring: "old" } });
    const fresh = [on(a, { version: 2, id: "p-2" as PlacementId }), on(b, { version: 2, id: "p-3" as PlacementId })];
    const deployment = aDeployment({
      name: "digits",
      model: "digits",
      version: 2,
      placement: {
        where: { matchExpressions: [{ key: "ring", operator: "DoesNotExist" }] },
        edge: { every: true },
      },
    });
    const status = statusOf({ nodes: [a, b, c], placements: [on(a), on(b), on(c), ...fresh] }, deployment);
    expect(status.text[0]).toBe("Ready=False OldVersionServes");
    expect(status.conditions[0]?.message).toBe("2 of 2 replicas ready; version 1 answers");
  });

  it("tells a missing alias, a missing version and a rejected one apart", () => {
    expect(statusOf({}, digits(1, "champion")).text).toEqual([
      "Ready=False VersionUnavailable",
      "Progressing=False NothingToDo",
      "Stalled=True AliasNotFound",
    ]);
    expect(statusOf({}, digits(1, 9)).text[2]).toBe("Stalled=True VersionNotFound");
    expect(statusOf({ versions: [aVersion("digits", 1, { state: "rejected" })] }).text[2]).toBe(
      "Stalled=True VersionRejected",
    );
    expect(statusOf({ versions: [aVersion("digits", 1, { state: "checking" })] }).text[2]).toBe(
      "Stalled=True VersionNotReady",
    );
  });

  it("is stalled when the bytes that a node needs are damaged, and not while every replica has them", () => {
    const damaged = [aVersion("digits", 1, { damage: "its file model.onnx is missing from the artifact store" })];
    expect(statusOf({ versions: damaged, placements: [on(a), on(b)] }).text[2]).toBe("Stalled=False NothingInTheWay");
    const status = statusOf({ versions: damaged, placements: [on(a), on(b, { state: "offered", stateSince: NOW })] });
    expect(status.text[2]).toBe("Stalled=True VersionDamaged");
    expect(status.unplaced.join()).toContain(
      "digits:1 cannot be sent: its file model.onnx is missing from the artifact store; push the same files again",
    );
  });

  it("asks for nothing while it is paused, and keeps what is declared", () => {
    const paused = aDeployment({ ...digits(2).spec, paused: true });
    const status = statusOf({ placements: [on(a)] }, paused);
    expect(status.text[0]).toBe("Ready=True NoReplicasWanted");
    expect(status.edge).toMatchObject({ wanted: 0 });
  });

  it("is ready when nothing is asked for", () => {
    expect(statusOf({}, digits(0)).text).toEqual([
      "Ready=True NoReplicasWanted",
      "Progressing=False Complete",
      "Stalled=False NothingInTheWay",
    ]);
  });
});

describe("the steps that write statuses", () => {
  /** The steps over a fleet of one deployment whose recorded status is `recorded`, `ms` later. */
  function stepsOf(deployment: FleetDeployment, { nodes = [a, b], placements = [] as FleetPlacement[], ms = 0 } = {}) {
    const fleet = aFleet({ nodes, versions: [aVersion("digits", 1)], deployments: [deployment], placements });
    const later = { ...context, now: NOW + ms };
    return statusSteps(fleet, findingsOf(fleet, planFleet(fleet, later), later));
  }
  const recorded = (deployment: FleetDeployment, parts: Parameters<typeof stepsOf>[1]): FleetDeployment => {
    const [step] = stepsOf(deployment, parts);
    if (!step) throw new Error("there is no status to record");
    return { ...deployment, status: { observedGeneration: step.generation, findings: step.findings, at: 0 } };
  };

  it("write a status that is not there yet, and nothing once it is recorded", () => {
    const placements = [on(a), on(b)];
    expect(describePlan(stepsOf(digits(2), { placements }))).toEqual([
      "write the status of digits at generation 1: Ready=True AllReplicasReady, Progressing=False Complete, Stalled=False NothingInTheWay",
    ]);
    expect(stepsOf(recorded(digits(2), { placements }), { placements })).toEqual([]);
  });

  it.each([
    [false, "ScaledUp", "edge replicas 1 → 2, its maximum: demand 37/s"],
    [
      true,
      "Thrashing",
      "edge replicas 1 → 2, its maximum: demand 37/s; their number fell less than 10 minutes ago, and now stays for 30 minutes",
    ],
  ])("say what demand changed; that replicas came back too soon: %s", (isThrashing, reason, message) => {
    const placement = { edge: { min: 1, max: 2 } };
    const spec = aDeployment({ name: "digits", model: "digits", version: 1, placement });
    const deployment = recorded(spec, { placements: [on(a)] });
    const fleet = aFleet({
      nodes: [a, b],
      versions: [aVersion("digits", 1)],
      deployments: [deployment],
      placements: [on(a)],
    });
    const asking = { ...context, targets: new Map([["digits", { edge: 2, cloud: 0 }]]) };
    const findings = findingsOf(fleet, planFleet(fleet, asking), asking);
    const scaling = { reasonFor: () => "demand 37/s", isThrashing: () => isThrashing };
    expect(statusSteps(fleet, findings, scaling)[0]?.events).toContainEqual({
      type: isThrashing ? "Warning" : "Normal",
      reason,
      message,
    });
  });

  it("write the same findings again for a new generation", () => {
    const placements = [on(a), on(b)];
    const next = { ...recorded(digits(2), { placements }), generation: 2 };
    expect(stepsOf(next, { placements })).toEqual([expect.objectContaining({ generation: 2 })]);
  });

  it("write nothing while only ages and free space change", () => {
    const silent = aSilentNode("edge-a", 61_000);
    const failure = { code: "LOAD_FAILED", detail: "bad" } as const;
    const placements = [on(b, { state: "failed", stateSince: NOW - 1_000, failure })];
    const stalled = recorded(digits(2), { nodes: [silent, b], placements });
    expect(stalled.status?.findings.unplaced.join()).toContain("edge-a is lost");
    expect(stepsOf(stalled, { nodes: [silent, b], placements, ms: 2_000 })).toEqual([]);
    const full = aNode("edge-a", {
      load: { at: NOW, cpuPct: 1, memFreeMiB: 1, diskFreeMiB: 10, rttMs: 1, rif: 0, placements: [] },
    });
    const fuller = aNode("edge-a", {
      load: { at: NOW, cpuPct: 1, memFreeMiB: 1, diskFreeMiB: 9, rttMs: 1, rif: 0, placements: [] },
    });
    const waiting = recorded(digits(1), { nodes: [full] });
    expect(waiting.status?.findings.unplaced.join()).toContain("MiB of disk; edge-a has less");
    expect(stepsOf(waiting, { nodes: [fuller] })).toEqual([]);
  });

  it("report as an event what is in the way, when it changes and when it is gone, each once", () => {
    const eventOf = (...of: Parameters<typeof stepsOf>) => stepsOf(...of)[0]?.events[0];
    const noRoom = { placements: [on(a)], nodes: [a] };
    expect(eventOf(digits(1), noRoom)).toBeUndefined();
    expect(eventOf(digits(2), noRoom)).toEqual({
      type: "Warning",
      reason: "DeploymentStalled",
      message: "digits cannot go on: digits:1: 0 of 1 edge node fit: 1 one-per-node (edge-a already holds digits:1)",
    });
    const stalled = recorded(digits(2), noRoom);
    expect(eventOf({ ...stalled, generation: 2 }, noRoom)).toBeUndefined();
    const cordoned = aNode("edge-b", { cordoned: true });
    expect(eventOf(stalled, { ...noRoom, nodes: [a, cordoned] })).toMatchObject({ reason: "DeploymentStalled" });
    expect(eventOf(stalled, { placements: [on(a), on(b)] })).toMatchObject({
      type: "Normal",
      reason: "DeploymentRecovered",
    });
  });

  it("write when a node falls silent", () => {
    const placements = [on(a), on(b)];
    const before = recorded(digits(2), { placements });
    expect(stepsOf(before, { nodes: [aSilentNode("edge-a", 20_000), b], placements })).toHaveLength(1);
  });
});
