import { describe, expect, it } from "@jest/globals";
import { SessionRecords } from "../../../../../control-plane/app/node-sessions/session-records.ts";
import type { FleetLoad, FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import { aNode, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const load: FleetLoad = {
  at: NOW,
  cpuPct: 20,
  memFreeMiB: 4_000,
  diskFreeMiB: 50_000,
  rttMs: 2,
  rif: 0,
  placements: [],
};
const CHANNEL = { send: () => 0, close: () => undefined, lastByteAt: () => NOW, ping: () => undefined };
const ready = { lastSeen: NOW, confirmedHeartbeats: 2 };
const nodeWith = (over: Partial<FleetNode>): FleetNode => aNode("edge-a", { observed: ready, load, ...over });

function records() {
  const taken = new SessionRecords();
  const session = aSession(nodeWith({}), { control: CHANNEL, clock: new TestClock(NOW) });
  const take = (node: FleetNode, ms: number, isLifeRecorded = true) =>
    taken.take({ turned: [session], all: () => [session] }, new Map([[node.id as string, node]]), {
      now: NOW + ms,
      isLifeRecorded,
    });
  return { taken, take };
}

describe("the records of sessions", () => {
  it("are of all sessions at first and then once a minute, and of none in between while nothing changes", () => {
    const { take } = records();
    expect(take(nodeWith({}), 0)).toMatchObject({ areAll: true, sessions: [{ isReady: true, load }] });
    for (let ms = 500; ms < 60_000; ms += 500)
      expect(take(nodeWith({ load: { ...load, at: NOW + ms } }), ms)).toBeUndefined();
    expect(take(nodeWith({}), 60_000)).toMatchObject({ areAll: true });
  });

  it("are of a session whose node turned at once", () => {
    const { take } = records();
    take(nodeWith({}), 0);
    const turned = take(nodeWith({ observed: { ...ready, confirmedHeartbeats: 0 } }), 500);
    expect(turned).toMatchObject({ areAll: false, sessions: [{ isReady: false }] });
    expect(take(nodeWith({}), 1_000)).toMatchObject({ areAll: false, sessions: [{ isReady: true }] });
  });

  it.each([
    ["CPU", { cpuPct: 30 }, { cpuPct: 29 }],
    ["free memory", { memFreeMiB: 3_700 }, { memFreeMiB: 3_900 }],
    ["free disk", { diskFreeMiB: 40_000 }, { diskFreeMiB: 49_000 }],
    ["round trip", { rttMs: 20 }, { rttMs: 3 }],
  ])("are of a session whose %s is another than recorded, every 15 s", (_figure, other, alike) => {
    const { take } = records();
    take(nodeWith({}), 0);
    expect(take(nodeWith({ load: { ...load, ...other } }), 14_500)).toBeUndefined();
    expect(take(nodeWith({ load: { ...load, ...alike } }), 15_000)).toBeUndefined();
    expect(take(nodeWith({ load: { ...load, ...other } }), 30_000)).toMatchObject({
      areAll: false,
      sessions: [other].map((figures) => ({ load: figures })),
    });
    expect(take(nodeWith({ load: { ...load, ...other } }), 45_000)).toBeUndefined();
  });

  it("say every 5 s that the replica lives while the lease is not renewed", () => {
    const { take } = records();
    take(nodeWith({}), 0, false);
    expect(take(nodeWith({}), 4_500, false)).toBeUndefined();
    expect(take(nodeWith({}), 5_000, false)).toEqual({ areAll: false, sessions: [] });
    expect(take(nodeWith({}), 9_500, false)).toBeUndefined();
    expect(take(nodeWith({}), 10_000, true)).toBeUndefined();
  });

  it("are of all sessions 5 s after some did not arrive", () => {
    const { taken, take } = records();
    take(nodeWith({}), 0);
    taken.failed(NOW);
    expect(take(nodeWith({}), 4_500)).toBeUndefined();
    expect(take(nodeWith({}), 5_000)).toMatchObject({ areAll: true });
  });
});
