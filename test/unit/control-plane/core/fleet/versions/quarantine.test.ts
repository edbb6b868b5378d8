import { describe, expect, it } from "@jest/globals";
import {
  afterDisconnect,
  isMassQuarantine,
  quarantineAfter,
  quarantineOf,
} from "../../../../../../control-plane/core/fleet/versions/quarantine.ts";
import type { Disconnects, FleetNode } from "../../../../../../control-plane/core/fleet/types.ts";
import { aFleetSession, aNode, NOW } from "../../../../../support/fleet/fleet-builder.ts";

/** After as many disconnects, `everyMs` one after the other, of which the last one is now. */
function disconnected(times: number, everyMs: number): Disconnects {
  let known: Disconnects | undefined;
  for (let left = times - 1; left >= 0; left -= 1) known = afterDisconnect(known, NOW - left * everyMs);
  if (!known) throw new Error("at least one");
  return known;
}

const secondsOf = (disconnects: Disconnects): number => ((quarantineAfter(disconnects)?.until ?? NOW) - NOW) / 1_000;

const flapping = (name: string, over: Partial<FleetNode> = {}): FleetNode =>
  aNode(name, { session: aFleetSession({ disconnects: disconnected(4, 2_000) }), ...over });

describe("the quarantine of a node", () => {
  it.each([
    [1, 0],
    [2, 0],
    [3, 10],
    [4, 20],
    [5, 40],
    [7, 160],
    [8, 300],
    [60, 300],
  ])("after %i disconnects in a row lasts %i s", (times, seconds) => {
    expect(secondsOf(disconnected(times, 1))).toBe(seconds);
  });

  it("does not come about when the connection breaks every 20 minutes, for days", () => {
    expect(secondsOf(disconnected(500, 20 * 60_000))).toBe(0);
  });

  it("ends by itself, and counts while the node is connected again", () => {
    const node = flapping("edge-a");
    expect(quarantineOf(node, NOW)).toEqual({ until: NOW + 20_000, disconnects: 4 });
    expect(quarantineOf(node, NOW + 19_999)).toBeDefined();
    expect(quarantineOf(node, NOW + 20_000)).toBeUndefined();
    expect(quarantineOf(aNode("edge-b"), NOW)).toBeUndefined();
  });

  it.each([
    ["more than half of five nodes", 5, 3, true],
    ["half of six nodes", 6, 3, false],
    ["all of four nodes", 4, 4, false],
  ])("is taken for a fault of the network or ours when it is that of %s: %s", (_, all, bad, isMass) => {
    const nodes = Array.from({ length: all }, (_each, at) => (at < bad ? flapping : aNode)(`edge-${at}`));
    expect(isMassQuarantine(nodes, NOW)).toBe(isMass);
  });
});
