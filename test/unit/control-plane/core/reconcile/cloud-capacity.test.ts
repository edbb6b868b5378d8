import { describe, expect, it } from "@jest/globals";
import type { FleetNode, FleetVersion } from "../../../../../control-plane/core/fleet/types.ts";
import { deploymentFindings } from "../../../../../control-plane/core/reconcile/deployment-status.ts";
import type { Pool } from "../../../../../control-plane/core/scaling/pool.ts";
import type { PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import { planDeployment } from "../../../../../control-plane/core/scheduling/planning/plan-among.ts";
import { aDeployment, aFleet, aNode, aVersion, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";

const pool = (over: Partial<Pool> = {}): Pool => ({
  name: "default",
  min: 0,
  max: 2,
  site: "cloud",
  replicas: 0,
  pods: [],
  labels: {},
  memMiB: 8_192,
  cpus: 4,
  trouble: undefined,
  ...over,
});
const running = (name: string): Pool["pods"][number] => ({ name, state: "running", trouble: undefined, createdAt: 0 });

interface Scene {
  readonly nodes?: readonly FleetNode[];
  readonly version?: Partial<FleetVersion>;
}

/** What is said of a deployment that wants a cloud replica and has no node for it: `Type=Status Reason: message`. */
function saidWith(pools: readonly Pool[], { nodes = [], version = {} }: Scene = {}): readonly string[] {
  const deployment = aDeployment({ name: "digits", model: "digits", version: 1, placement: { cloud: { min: 1 } } });
  const fleet = aFleet({ nodes, versions: [aVersion("digits", 1, version)], deployments: [deployment] });
  const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test", pools };
  const plan = planDeployment(fleet, deployment, context);
  return deploymentFindings(fleet, deployment, { ...context, plan })
    .conditions.filter(({ type }) => type !== "Ready")
    .map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`);
}

const WAITS = [
  "Progressing=True WaitingForCloudNodes: pool default brings cloud nodes for replicas that have none",
  "Stalled=False NothingInTheWay: nothing is in the way",
];

describe("a replica without a cloud node", () => {
  it("waits while a pool can bring one, or its pods are on their way", () => {
    expect(saidWith([pool()])).toEqual(WAITS);
    const starting = pool({ replicas: 2, pods: [running("pod-1"), { ...running("pod-2"), state: "pending" }] });
    expect(saidWith([starting])).toEqual(WAITS);
    const joined = aNode("pod-1", { kind: "cloud", capabilities: undefined });
    expect(saidWith([pool({ replicas: 1, pods: [running("pod-1")] })], { nodes: [joined] })).toEqual(WAITS);
  });

  it("is in the way of the deployment where no pool is for it, with the pool's words where one is", () => {
    const stalled = (pools: readonly Pool[], scene?: Scene): string => saidWith(pools, scene)[1] ?? "";
    expect(stalled([])).toMatch(/^Stalled=True NoEligibleNode: digits:1: there is no cloud node/);
    const stuck = pool({
      replicas: 1,
      pods: [{ ...running("pod-1"), state: "pending", trouble: "Unschedulable: full" }],
    });
    expect(stalled([stuck])).toMatch(/; pool default: pod-1: Unschedulable: full$/);
    const full = pool({ max: 1, replicas: 1, pods: [running("pod-1")] });
    expect(stalled([full])).toMatch(/; pool default: has its maximum of 1 pod$/);
  });

  it("is in the way where a new node would be refused as those that are there", () => {
    const there = aNode("pod-1", { kind: "cloud" });
    const pods = pool({ replicas: 1, pods: [running("pod-1")] });
    expect(saidWith([pods], { nodes: [there], version: { opset: 99 } })[1]).toMatch(
      /^Stalled=True NoEligibleNode: .*opset 99/,
    );
  });
});
