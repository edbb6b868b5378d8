import { describe, expect, it } from "@jest/globals";
import { absentStatus, isAsDeclared, joinedStatus } from "../../../../../control-plane/core/kubernetes/edge-node.ts";
import type { Node } from "../../../../../shared/api/v1/nodes/nodes.ts";
import type { Resource } from "../../../../../shared/api/v1alpha1/resource.ts";

const NOW = "2026-01-05T10:00:00.000Z";
const object: Resource = {
  metadata: { name: "edge-a", namespace: "skerry", uid: "u", resourceVersion: "1", generation: 3, finalizers: [] },
};
const node = (over: Partial<Node> = {}): Node => ({
  name: "edge-a",
  id: "n-1",
  kind: "edge",
  site: "harbour",
  zone: "pier-1",
  labels: {},
  state: "ready",
  cordoned: false,
  draining: false,
  drain: null,
  quarantine: null,
  lastSeen: null,
  lastSeenAgeMs: 12,
  epoch: 1,
  agentVersion: "0.1.0",
  capabilities: null,
  load: null,
  placements: [],
  approval: null,
  createdAt: "",
  ...over,
});

describe("a node and what its EdgeNode says", () => {
  it("agree when an empty spec leaves the node to the API", () => {
    expect(isAsDeclared({}, node({ cordoned: true }))).toBe(true);
    expect(isAsDeclared({}, node({ managedBy: "kubernetes" }))).toBe(false);
  });

  it("agree when each field that is given is so, and the node is Kubernetes'", () => {
    const managed = node({ cordoned: true, labels: { gpu: "none" }, managedBy: "kubernetes" });
    expect(isAsDeclared({ cordoned: true }, managed)).toBe(true);
    expect(isAsDeclared({ cordoned: true, labels: { gpu: "none" } }, managed)).toBe(true);
    expect(isAsDeclared({ cordoned: true, labels: {} }, managed)).toBe(false);
    expect(isAsDeclared({ draining: true, cordoned: true }, managed)).toBe(false);
    expect(isAsDeclared({ cordoned: false }, node())).toBe(false);
    const placed = node({ site: "island", zone: "pier-2", managedBy: "kubernetes" });
    expect(isAsDeclared({ site: "island" }, placed)).toBe(true);
    expect(isAsDeclared({ site: "island", zone: "pier-1" }, placed)).toBe(false);
    expect(isAsDeclared({ site: "harbour" }, placed)).toBe(false);
    expect(isAsDeclared({ zone: "pier-1" }, node())).toBe(false);
  });
});

describe("the status of an EdgeNode", () => {
  it("is the same a second later", () => {
    const at = (lastSeenAgeMs: number) =>
      joinedStatus(object, { node: node({ lastSeenAgeMs }), refused: undefined, now: NOW });
    expect(at(5)).toEqual(at(1_005));
  });

  it.each([
    ["ready", "True Connected"],
    ["suspect", "Unknown Silent"],
    ["detached", "Unknown Detached"],
    ["lost", "False Lost"],
    ["pending", "False NeverConnected"],
  ] as const)("of a node that is %s is Ready %s", (state, expected) => {
    const status = joinedStatus(object, { node: node({ state }), refused: undefined, now: NOW });
    const ready = status.conditions.find(({ type }) => type === "Ready");
    expect(`${ready?.status} ${ready?.reason}`).toBe(expected);
  });

  it("says that no such node has joined, and nothing of an earlier one", () => {
    const status = absentStatus({ ...object, status: { site: "harbour" } }, NOW);
    expect(status).not.toHaveProperty("site");
    expect(status.conditions.map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      "Accepted NotJoined",
      "Ready NotJoined",
    ]);
  });
});
