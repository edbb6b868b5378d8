import { describe, expect, it } from "@jest/globals";
import { createEffects } from "../../../../../../control-plane/app/control-loop/effects/effects.ts";
import type { Transition } from "../../../../../../control-plane/core/fleet/transitions.ts";
import type { Step } from "../../../../../../control-plane/core/reconcile/steps.ts";
import type { NewEvent } from "../../../../../../control-plane/ports/events.ts";
import type { LeaderFence, PlanOutcome, PlanStore } from "../../../../../../control-plane/ports/plan.ts";
import { firstRecord } from "../../../../../../control-plane/core/rollout/start.ts";
import { aDeployment, aNode, aPlacement } from "../../../../../support/fleet/fleet-builder.ts";
import type { DeploymentFindings } from "../../../../../../shared/api/v1/deployments/deployments.ts";
import { systemRandom } from "../../../../../../shared/base/random.ts";

const fence: LeaderFence = { holder: "r-1", token: 7n };
const node = aNode("edge-a");
const placement = aPlacement(node);
const { explain: record, nodeId } = placement;

/** Executes `step` over stores that answer `outcome`, and tells in words which one was called. */
async function execute(steps: Step | readonly Step[], outcome: PlanOutcome = "committed", written: string[] = []) {
  const calls: string[] = [];
  const call = (name: string) => (by: LeaderFence, _what: unknown, event: NewEvent) => {
    calls.push(`${name} fenced by ${by.token}: ${event.reason} of ${event.object}`);
    return Promise.resolve(outcome);
  };
  const plans: PlanStore = {
    createPlacements: (by, creations) => {
      const events = creations.map(({ event }) => `${event.reason} of ${event.object}`);
      calls.push(`create fenced by ${by.token}: ${events.join(", ")}`);
      return Promise.resolve(outcome);
    },
    retryPlacement: call("retry"),
    removePlacement: call("remove"),
    deletePlacement: call("delete"),
    setDraining: call("drain"),
    writeStatus: (by, { deployment, generation }) => {
      calls.push(`write fenced by ${by.token}: ${deployment} at generation ${generation}`);
      return Promise.resolve(outcome);
    },
    writeRollout: (by, { deployment, events }) => {
      calls.push(`rollout fenced by ${by.token}: ${deployment}, ${events.map(({ reason }) => reason).join(", ")}`);
      return Promise.resolve(outcome);
    },
    announceDrains: (by, [first]) => {
      calls.push(`announce fenced by ${by.token}: ${first?.event.reason ?? ""} of ${first?.event.object ?? ""}`);
      return Promise.resolve(outcome);
    },
    announce: (by, [first]) => {
      calls.push(`announce fenced by ${by.token}: ${first?.event.reason ?? ""} of ${first?.event.object ?? ""}`);
      return Promise.resolve(outcome);
    },
  };
  const result = await createEffects({
    plans,
    random: systemRandom,
    now: () => 0,
    onRollout: ({ steps }) => written.push(...steps),
  })([steps].flat(), fence);
  return { calls, result };
}

const findings: DeploymentFindings = {
  conditions: [],
  activeVersion: null,
  targetVersion: null,
  edge: { wanted: 0, placed: 0, ready: 0 },
  cloud: { wanted: 0, placed: 0, ready: 0 },
  unplaced: [],
};

const lost: Transition = {
  nodeId,
  from: "ready",
  to: "lost",
  event: { type: "Warning", reason: "NodeLost", object: "node/edge-a", message: "silent" },
};

const attempt = { memMiB: 320, agent: "agent 0.1.0" };

const create: Step = {
  kind: "placement.create",
  deployment: "digits",
  deploymentGeneration: 1,
  model: "digits",
  version: 1,
  nodeId,
  node: "edge-a",
  record,
  attempt,
};

describe("effects", () => {
  it.each<[Step, string]>([
    [create, "create fenced by 7: PlacementScheduled of deployment/digits"],
    [
      { kind: "placement.retry", placement, node: "edge-a", why: "that is 15 min ago", attempt },
      "retry fenced by 7: PlacementRetried of deployment/digits",
    ],
    [
      { kind: "placement.remove", placement, node: "edge-a", why: "it drains" },
      "remove fenced by 7: PlacementRemoved of deployment/digits",
    ],
    [{ kind: "placement.delete", placement, node: "edge-a" }, "delete fenced by 7: PlacementGone of node/edge-a"],
    [
      { kind: "status.write", deployment: "digits", generation: 3, findings, events: [] },
      "write fenced by 7: digits at generation 3",
    ],
    [{ kind: "node.announce", transitions: [lost] }, "announce fenced by 7: NodeLost of node/edge-a"],
  ])("turns the step %# into one write of its domain", async (step, expected) => {
    expect(await execute(step)).toEqual({ calls: [expected], result: "committed" });
  });

  it("writes several new placements at once", async () => {
    const other = { ...create, deployment: "letters" };
    expect(await execute([create, other])).toEqual({
      calls: ["create fenced by 7: PlacementScheduled of deployment/digits, PlacementScheduled of deployment/letters"],
      result: "committed",
    });
  });

  it.each(["fenced", "stale"] as const)("passes on that a write was %s", async (outcome) => {
    expect((await execute(create, outcome)).result).toBe(outcome);
  });
});

it("counts what was written of a rollout, and nothing that was not", async () => {
  const deployment = aDeployment({ name: "digits", model: "digits", version: 2, rollout: {} });
  const next = firstRecord(
    deployment,
    { from: 1, to: 2, declared: 2, by: "skerry" },
    { who: "skerry", at: "2026-01-01T00:00:00.000Z" },
  );
  const step = {
    kind: "rollout.write",
    deployment: "digits",
    generation: 1,
    before: undefined,
    newest: undefined,
    next,
  } as const;
  const written: string[] = [];
  for (const outcome of ["stale", "fenced"] as const) await execute(step, outcome, written);
  expect(written).toEqual([]);
  await execute(step, "committed", written);
  expect(written).toEqual(["started"]);
});
