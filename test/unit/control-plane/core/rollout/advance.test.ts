import { describe, expect, it } from "@jest/globals";
import { advance } from "../../../../../control-plane/core/rollout/advance.ts";
import type { NodeView } from "../../../../../control-plane/core/rollout/view.ts";
import type { RolloutNode } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { aRollout } from "../../../../support/fleet/a-rollout.ts";

const member: RolloutNode = {
  nodeId: "n-1",
  node: "dock",
  wave: 1,
  state: "staging",
  since: "2026-01-01T00:00:00.000Z",
  why: null,
};
const node: NodeView = {
  id: "n-1",
  name: "dock",
  kind: "edge",
  labels: {},
  isThere: true,
  isLost: false,
  isOpen: true,
  trustedMs: Infinity,
  isLeaving: false,
  hasOld: true,
  fresh: undefined,
};
const view = { nodes: new Map([[node.id, node]]), isMassLoss: false, isFreshLeaving: false };

describe("a rollout that waits for a node without room", () => {
  it.each([-1, 119_999])("pauses after 15 minutes while the node is in quarantine, or was %d ms ago", (trustedMs) => {
    const { record } = aRollout({ phase: "staging", nodes: [member] });
    const present = { ...view, nodes: new Map([[node.id, { ...node, trustedMs }]]) };
    const after = (at: string) =>
      advance(record, present, { phaseMs: 0, leadingMs: Infinity, verdict: undefined, at })?.record.phase;
    expect(after("2026-01-01T00:14:59.999Z")).toBeUndefined();
    expect(after("2026-01-01T00:15:00.000Z")).toBe("paused");
  });

  it.each(["staging", "switching"] as const)("pauses after two minutes (%s)", (phase) => {
    const { record } = aRollout({ phase, nodes: [member] });
    const after = (at: string) =>
      advance(record, view, { phaseMs: 0, leadingMs: Infinity, verdict: undefined, at })?.record;
    expect(after("2026-01-01T00:01:59.999Z")).toBeUndefined();
    expect(after("2026-01-01T00:02:00.000Z")).toMatchObject({
      phase: "paused",
      resumes: phase,
      reason: "digits:2 has no place on dock",
    });
  });
});
