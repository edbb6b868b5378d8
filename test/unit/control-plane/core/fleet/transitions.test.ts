import { describe, expect, it } from "@jest/globals";
import { transitions } from "../../../../../control-plane/core/fleet/transitions.ts";
import type { AnnouncedState, FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import { stateFor } from "../../../../../control-plane/core/scheduling/context.ts";
import { aFleet, aFleetSession, aNode, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";

/** What the leader of `leaderSince` announces of one node. */
function announced(node: FleetNode, leaderSince = 0): readonly string[] {
  const context = { now: NOW, timings: TIMINGS, trigger: "test", leaderSince };
  return transitions(aFleet({ nodes: [node] }), {
    stateOf: (of) => stateFor(of, context),
    lostMs: TIMINGS.lostMs,
  }).map(({ event }) => event.reason);
}

const ready = (before?: AnnouncedState): FleetNode => aNode("a", { session: aFleetSession({ announced: before }) });
const silent = (before?: AnnouncedState): FleetNode =>
  aNode("a", { session: aFleetSession({ open: false, lastSeen: NOW - 61_000, announced: before }) });
const orphaned = (before?: AnnouncedState): FleetNode =>
  aNode("a", { session: aFleetSession({ ownerSeen: NOW - 20_000, lastSeen: NOW - 20_000, announced: before }) });
const suspect = (before?: AnnouncedState): FleetNode =>
  aNode("a", { session: aFleetSession({ open: false, announced: before }) });

describe("the leader announces", () => {
  it.each([
    ["a node that is ready for the first time", ready(), ["NodeReady"]],
    ["nothing of one that still is", ready("ready"), []],
    ["one that came back", ready("lost"), ["NodeReady"]],
    ["one that has been silent for too long", silent("ready"), ["NodeLost"]],
    ["nothing of one that was announced as lost before this leader led", silent("lost"), []],
    ["one whose replica died", orphaned("ready"), ["NodeDetached"]],
    ["nothing more of it while it stays so", orphaned("detached"), []],
    ["nothing of a lost one whose next replica died", orphaned("lost"), []],
    ["nothing of one that is suspected", suspect("ready"), []],
    ["nothing of one that never connected", aNode("a", { session: undefined }), []],
  ])("%s", (_what, node, reasons) => expect(announced(node)).toEqual(reasons));

  it("nobody as lost while it leads for less than a minute", () => {
    expect(announced(silent("ready"), NOW - 59_000)).toEqual(["NodeDetached"]);
    expect(announced(silent("lost"), NOW - 59_000)).toEqual([]);
    expect(announced(silent("ready"), NOW - 60_000)).toEqual(["NodeLost"]);
  });
});
