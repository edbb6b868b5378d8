import { describe, expect, it } from "@jest/globals";
import type { FleetNode, FleetPlacement } from "../../../../../../control-plane/core/fleet/types.ts";
import { planFleet } from "../../../../../../control-plane/core/reconcile/plan.ts";
import type { PlacementFailure } from "../../../../../../shared/protocol/placement.ts";
import {
  aDeployment,
  aFleet,
  aFleetSession,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../../support/fleet/fleet-builder.ts";

const HOUR = 3_600_000;
const AGENT = "agent 0.1.0 with onnxruntime 1.30.0";
const node = aNode("edge-a");

/** Why a placement that failed 2 minutes ago is tried again `ms` later; undefined when it is not. */
function whyRetried(
  code: PlacementFailure,
  now: { readonly memMiB?: number; readonly node?: Partial<FleetNode>; readonly ms?: number },
): string | undefined {
  const placement = aPlacement(node, {
    state: "failed",
    stateSince: NOW - 120_000,
    failure: { code, detail: "" },
    attempt: { memMiB: 256, agent: AGENT },
  });
  const limits = { memMiB: now.memMiB ?? 256 };
  const at = NOW + (now.ms ?? 0);
  const fleet = aFleet({
    nodes: [{ ...node, session: aFleetSession({ ownerSeen: at }), ...now.node }],
    versions: [aVersion("digits", 1)],
    deployments: [aDeployment({ name: "digits", model: "digits", version: 1, limits })],
    placements: [placement],
  });
  const [step] = planFleet(fleet, {
    now: at,
    timings: TIMINGS,
    trigger: "test",
  }).steps;
  return step?.kind === "placement.retry" ? step.why : undefined;
}

const newerAgent = { session: aFleetSession({ agentVersion: "0.2.0", epoch: 2 }) };
const fullDisk = { load: { at: NOW, cpuPct: 1, memFreeMiB: 1, diskFreeMiB: 10, rttMs: 1, rif: 0, placements: [] } };

describe("a failed placement", () => {
  it.each<PlacementFailure>([
    "OUT_OF_MEMORY",
    "HOST_CRASHED",
    "WARMUP_FAILED",
    "WARMUP_TIMEOUT",
    "LOAD_TIMEOUT",
    "LOAD_FAILED",
  ])("is tried again when its memory limit has changed after %s", (code) => {
    expect(whyRetried(code, {})).toBeUndefined();
    expect(whyRetried(code, { memMiB: 512 })).toBe("it may use 512 MiB now");
  });

  it.each<PlacementFailure>(["INCOMPATIBLE", "LOAD_FAILED", "HOST_CRASHED", "DIGEST_MISMATCH"])(
    "is tried again when its node has a new agent after %s",
    (code) => {
      expect(whyRetried(code, { node: newerAgent })).toBe("edge-a runs agent 0.2.0 with onnxruntime 1.30.0 now");
    },
  );

  it.each<PlacementFailure>(["NO_SPACE", "DISK_FULL"])(
    "is tried again when its node has room on the disk after %s",
    (code) => {
      expect(whyRetried(code, {})).toBe("edge-a has room on its disk now");
      expect(whyRetried(code, { node: fullDisk })).toBeUndefined();
    },
  );

  it("is left alone for a minute after the disk was full, so that a full disk is not written to all the time", () => {
    expect(whyRetried("NO_SPACE", { ms: -61_000 })).toBeUndefined();
  });

  it("is not tried again by itself after the third failed load in a row, until what it depends on has changed", () => {
    const third = { model: "digits", version: 1, loadFailures: 3, evictedAt: undefined };
    const history = [{ ...third, attempt: { memMiB: 256, agent: AGENT } }];
    const day = 24 * HOUR;
    expect(whyRetried("LOAD_FAILED", { ms: day, node: { history } })).toBeUndefined();
    expect(whyRetried("LOAD_FAILED", { node: { history }, memMiB: 512 })).toBe("it may use 512 MiB now");
    expect(whyRetried("LOAD_FAILED", { node: { history, ...newerAgent } })).toBe(
      "edge-a runs agent 0.2.0 with onnxruntime 1.30.0 now",
    );
    const asked = history.map((each) => ({ ...each, loadFailures: 0 }));
    expect(whyRetried("LOAD_FAILED", { ms: day, node: { history: asked } })).toBe("that is 24 h ago");
  });

  it("is tried again after 15 minutes though nothing has changed", () => {
    expect(whyRetried("LOAD_FAILED", { ms: 12 * 60_000 })).toBeUndefined();
    expect(whyRetried("LOAD_FAILED", { ms: 13 * 60_000 })).toBe("that is 15 min ago");
  });
});

describe("a placement without progress", () => {
  const [a, b] = [node, aNode("edge-b")];
  const planOf = (placements: readonly FleetPlacement[], over: { nodes?: readonly FleetNode[]; min?: number } = {}) => {
    const fleet = aFleet({
      nodes: over.nodes ?? [a, b],
      versions: [aVersion("digits", 1)],
      deployments: [
        aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: over.min ?? 1 } } }),
      ],
      placements,
    });
    const plan = planFleet(fleet, { now: NOW, timings: TIMINGS, trigger: "test" });
    return { steps: plan.steps.map(({ kind }) => kind), wakeAt: plan.wakeAt };
  };
  const since = (state: FleetPlacement["state"], ms: number, of = a): FleetPlacement =>
    aPlacement(of, { state, stateSince: NOW - ms, decidedAt: NOW - ms });

  it.each<[FleetPlacement["state"], number]>([
    ["offered", 120_100],
    ["downloading", 3_600_000],
    ["verifying", 300_100],
    ["staged", 300_000],
    ["loading", 600_000],
    ["warming", 600_000],
  ])("in the state %s makes another node be tried", (state, ms) => {
    expect(planOf([since(state, ms - 1_000)])).toMatchObject({ steps: [], wakeAt: expect.any(Number) as unknown });
    expect(planOf([since(state, ms)]).steps).toEqual(["placement.create"]);
  });

  it("may take longer while its node was away", () => {
    const back = aNode("edge-a", { session: aFleetSession({ openedAt: NOW - 1_000 }) });
    expect(planOf([since("offered", HOUR, back)], { nodes: [back, b] }).steps).toEqual([]);
  });

  it("may take longer while another placement of its node goes on", () => {
    const other = aPlacement(a, { id: "p-other" as FleetPlacement["id"], deployment: undefined, wanted: "gone" });
    const fresh = { ...other, progressSince: NOW - 1_000, state: "draining" as const, stateSince: NOW - 1_000 };
    expect(planOf([since("offered", HOUR), fresh]).steps).toEqual([]);
  });

  it("leaves when its replacement is ready, and stays when it goes on itself", () => {
    expect(planOf([since("offered", HOUR), aPlacement(b)]).steps).toEqual(["placement.remove"]);
    expect(planOf([aPlacement(a), since("offered", HOUR, b)], { min: 2 }).steps).toEqual([]);
  });
});
