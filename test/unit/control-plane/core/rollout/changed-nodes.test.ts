import { describe, expect, it } from "@jest/globals";
import { changedNodes } from "../../../../../control-plane/core/rollout/changed-nodes.ts";
import type { RolloutNode } from "../../../../../shared/api/v1/rollouts/rollouts.ts";

const node = (nodeId: string, state: RolloutNode["state"]): RolloutNode => ({
  nodeId,
  node: nodeId,
  wave: 1,
  state,
  since: "2026-01-01T00:00:00.000Z",
  why: null,
});

describe("the nodes that a step changes", () => {
  it("are the new ones and those in another state, and apart from them those that have left", () => {
    const before = [node("a", "staging"), node("b", "staging"), node("c", "staged")];
    const after = [node("a", "staging"), node("b", "staged"), node("d", "waiting")];
    expect(changedNodes(before, after)).toEqual({
      written: [node("b", "staged"), node("d", "waiting")],
      removed: ["c"],
    });
  });

  it("are none when each is as it was", () => {
    expect(changedNodes([node("a", "staged")], [node("a", "staged")])).toEqual({ written: [], removed: [] });
  });
});
