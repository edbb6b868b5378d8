import { describe, expect, it } from "@jest/globals";
import {
  acceptedPoolStatus,
  cloudPoolSpecOf,
  cloudPoolStatusIn,
  refusedPoolStatus,
} from "../../../../../control-plane/core/kubernetes/cloud-pool.ts";
import type { PoolFindings } from "../../../../../shared/api/v1/nodes/cloud-pools.ts";
import { resource, type Resource } from "../../../../../shared/api/v1alpha1/resource.ts";

const [EARLIER, NOW] = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:01:00.000Z"];

const objectWith = (over: object): Resource =>
  resource.parse({
    metadata: { name: "gpu", namespace: "skerry", uid: "u-1", resourceVersion: "1", generation: 3 },
    spec: { deployment: "node-gpu", max: 2 },
    ...over,
  });
const found = (over: Partial<PoolFindings> = {}): PoolFindings => ({
  name: "gpu",
  min: 0,
  max: 2,
  wanted: 1,
  replicas: 1,
  ready: 1,
  pending: 0,
  trouble: null,
  pods: [],
  ...over,
});
const inWords = ({ conditions }: ReturnType<typeof acceptedPoolStatus>): readonly string[] =>
  conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`);

describe("what a CloudPool declares", () => {
  it("is the API's pool of its name and its namespace", () => {
    expect(cloudPoolSpecOf(objectWith({}))).toEqual({
      name: "gpu",
      namespace: "skerry",
      deployment: "node-gpu",
      min: 0,
      max: 2,
      priority: 0,
    });
  });

  it("is refused with the field when it breaks the schema", () => {
    expect(cloudPoolSpecOf(objectWith({ spec: { deployment: "node-gpu", min: 3, max: 2 } }))).toEqual({
      reason: "InvalidSpec",
      message: "spec.max: must not be below `min`",
    });
  });
});

describe("the status of a CloudPool", () => {
  it("says how many pods are wanted and ready, and nothing of the pool until it was looked at", () => {
    const status = acceptedPoolStatus(objectWith({}), { findings: found(), now: NOW });
    expect(status).toMatchObject({ observedGeneration: 3, wanted: 1, replicas: 1, ready: 1, pending: 0 });
    expect(inWords(status)).toEqual([
      "Accepted=True Declared",
      "Ready=True AllPodsReady",
      "Stalled=False NothingInTheWay",
    ]);
    const pending = acceptedPoolStatus(objectWith({}), { findings: found({ ready: 0, pending: 1 }), now: NOW });
    expect(pending.conditions.find(({ type }) => type === "Stalled")?.message).toBe("nothing is in the way");
    const unseen = acceptedPoolStatus(objectWith({}), { findings: undefined, now: NOW });
    expect([inWords(unseen), unseen.wanted]).toEqual([["Accepted=True Declared"], undefined]);
  });

  it("says in the cluster's words what keeps it from its pods", () => {
    const stuck = found({ ready: 0, pending: 1, trouble: "pod-1: Unschedulable: no machine" });
    const status = acceptedPoolStatus(objectWith({}), { findings: stuck, now: NOW });
    expect(inWords(status)).toEqual(["Accepted=True Declared", "Ready=False PodsNotReady", "Stalled=True PoolStalled"]);
    expect(status.trouble).toBe("pod-1: Unschedulable: no machine");
  });

  it("keeps the time of a condition that stays, and drops the pool's figures when it is refused", () => {
    const before = acceptedPoolStatus(objectWith({}), { findings: found(), now: EARLIER });
    const object = objectWith({ status: before });
    expect(acceptedPoolStatus(object, { findings: found(), now: NOW })).toEqual(cloudPoolStatusIn(object));
    const refused = refusedPoolStatus(object, { reason: "DeclaredElsewhere", message: "of another pool" }, NOW);
    expect(inWords(refused)).toEqual(["Accepted=False DeclaredElsewhere", "Ready=False DeclaredElsewhere"]);
    expect([refused.wanted, refused.conditions[0]?.lastTransitionTime]).toEqual([undefined, NOW]);
  });
});
