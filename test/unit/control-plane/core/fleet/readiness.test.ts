import { describe, expect, it } from "@jest/globals";
import { NODES_RETURN_MS, whyNotRouting } from "../../../../../control-plane/core/fleet/readiness.ts";
import type { FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import {
  aFleet,
  aFleetSession,
  aNode,
  aPlacement,
  aSilentNode,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

/** As after a restart: the replica that held the session is gone. */
const aNodeThatWasHere = (name: string): FleetNode =>
  aNode(name, { session: aFleetSession({ ownerSeen: undefined, lastSeen: NOW - 2_000 }) });

const reasons = (
  nodes: readonly FleetNode[],
  { here = [], sinceStartMs = 1_000 }: { here?: readonly FleetNode[]; sinceStartMs?: number } = {},
): readonly string[] =>
  whyNotRouting(aFleet({ nodes, placements: nodes.map((node) => aPlacement(node)) }), {
    now: NOW,
    startedAt: NOW - sinceStartMs,
    timings: TIMINGS,
    isRoutable: ({ id }) => here.some((node) => node.id === id),
  });

describe("readiness for inference", () => {
  const a = aNodeThatWasHere("a");
  const b = aNodeThatWasHere("b");
  const elsewhere = aNode("c");

  it("waits after a start until every node that serves is back", () => {
    expect(reasons([a, b])).toEqual(["2 of 2 nodes that serve are not back since the start"]);
    expect(reasons([a, b], { here: [a] })).toEqual(["1 of 2 nodes that serve are not back since the start"]);
    expect(reasons([a, b], { here: [a, b] })).toEqual([]);
  });

  it("waits for a node that was silent for long before the start too, and for none longer than its bound", () => {
    const silent = aSilentNode("d", 3_600_000);
    expect(reasons([a, silent], { here: [a] })).toHaveLength(1);
    expect(reasons([a, silent], { here: [a], sinceStartMs: NODES_RETURN_MS })).toEqual([]);
    expect(reasons([a], { sinceStartMs: NODES_RETURN_MS })).toEqual([]);
  });

  it("does not wait for nodes that another control plane holds, nor for nodes that serve nothing or were removed", () => {
    expect(reasons([a, elsewhere], { here: [a] })).toEqual([]);
    expect(reasons([aNode("e", { revoked: true })])).toEqual([]);
    const empty = aNodeThatWasHere("f");
    const fleet = aFleet({ nodes: [empty] });
    const view = { now: NOW, startedAt: NOW, timings: TIMINGS, isRoutable: () => false };
    expect(whyNotRouting(fleet, view)).toEqual([]);
  });

  it("says no for as long as all nodes that serve are connected elsewhere", () => {
    expect(reasons([elsewhere], { sinceStartMs: 3_600_000 })).toEqual([
      "all 1 nodes that serve are connected to other control planes, which are not reached from here",
    ]);
    expect(reasons([elsewhere], { here: [elsewhere], sinceStartMs: 3_600_000 })).toEqual([]);
  });
});
