import { describe, expect, it } from "@jest/globals";
import {
  documentsTouched,
  isEmptyChange,
  type ChangeSet,
} from "../../../../../control-plane/core/fleet/changes/change-set.ts";
import type { FleetEvent } from "../../../../../control-plane/core/fleet/events.ts";
import type { FleetState } from "../../../../../control-plane/core/fleet/fleet-state.ts";
import { nodeState, OWNER_GONE_MS } from "../../../../../control-plane/core/fleet/node-status.ts";
import { reduce } from "../../../../../control-plane/core/fleet/reduce.ts";
import type { FleetLoad, FleetNode, FleetRows } from "../../../../../control-plane/core/fleet/types.ts";
import {
  aDeployment,
  aFleetSession,
  aFleetState,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";
import { aLoad } from "../../../../support/fleet/scheduling-fixture.ts";

const a = aNode("edge-a");
const b = aNode("edge-b");
const versions = [aVersion("digits", 1)];
const deployments = [aDeployment({ name: "digits", model: "digits", version: 1 })];
const aliases = [{ model: "digits", alias: "champion", version: 1 }];
const rows = (over: Partial<FleetRows> = {}): FleetRows => ({
  nodes: [a, b],
  deployments,
  versions,
  aliases,
  placements: [aPlacement(a), aPlacement(b)],
  ...over,
});

const changes = (state: FleetState, event: FleetEvent): boolean => !isEmptyChange(reduce(state, event));
const load = (state: FleetState, over: Partial<FleetRows> = {}): ChangeSet =>
  reduce(state, { type: "rows-loaded", rows: rows(over) });
const stateOf = (state: FleetState, node: FleetNode, now: number): string => {
  const found = state.snapshot().nodes.get(node.id);
  return found ? nodeState(found, now, TIMINGS) : "gone";
};

function raise(): never {
  throw new Error("the node has no capabilities");
}

/** `edge-a` with a ready session of epoch 2 that the replica `r-1`, which is this one, holds. */
function owned(at = NOW): FleetState {
  const state = aFleetState(rows());
  const { capabilities = raise() } = a;
  const opened = { nodeId: a.id, epoch: 2, replica: "r-1", agentVersion: "0.1.0", capabilities, at };
  reduce(state, { type: "session-opened", ...opened });
  for (let heartbeat = 0; heartbeat < 2; heartbeat++)
    reduce(state, { type: "heartbeat-received", nodeId: a.id, epoch: 2, confirmation: "current", at });
  return state;
}

describe("what nodes say", () => {
  it("of an older epoch or generation changes nothing", () => {
    const state = owned();
    expect(changes(state, { type: "session-closed", nodeId: a.id, epoch: 1, at: NOW, isDisconnect: true })).toBe(false);
    const report = { placementId: "p-edge-a", generation: 2, state: "failed" } as const;
    expect(changes(state, { type: "placement-reported", nodeId: a.id, report, at: NOW })).toBe(false);
    expect(state.snapshot().placements.get("p-edge-a")?.state).toBe("ready");
  });

  it("of another node's placement changes nothing", () => {
    const report = { placementId: "p-edge-a", generation: 1, state: "failed" } as const;
    expect(changes(owned(), { type: "placement-reported", nodeId: b.id, report, at: NOW })).toBe(false);
  });

  it("of a ready placement is a change when its runs are not shared any more, and none when only its memory in use is another", () => {
    const state = owned();
    const report = { placementId: "p-edge-a", generation: 1, state: "ready", rssMiB: 80, limitMiB: 320 } as const;
    const shared = { isShared: true, reason: "the graph proves that rows are independent" };
    const stopped = { isShared: false, reason: 'output "y" of a request differed from its answer alone' };
    const reported = (more: object) =>
      changes(state, { type: "placement-reported", nodeId: a.id, report: { ...report, ...more }, at: NOW });
    expect(reported({ sharing: shared, measuredMiB: 300 })).toBe(true);
    expect(reported({ sharing: shared, rssMiB: 90 })).toBe(false);
    expect(reported({ sharing: stopped })).toBe(true);
    expect(state.snapshot().placements.get("p-edge-a")).toMatchObject({ sharing: stopped, measuredMiB: 300 });
  });

  it("of a placement is known already when its node returns: all placements stay the same objects", () => {
    const state = owned();
    const report = { placementId: aPlacement(a).id, generation: 1, state: "ready", rssMiB: 40 } as const;
    reduce(state, { type: "placement-reported", nodeId: a.id, report, at: NOW });
    const before = state.snapshot();
    reduce(state, { type: "placement-reported", nodeId: a.id, report, at: NOW + 1_000 });
    expect(state.snapshot().placements).toBe(before.placements);
    expect(state.snapshot().placementsOn).toBe(before.placementsOn);
  });

  it("of a placement that has left a shared host makes its share of that no limit of its own host", () => {
    const state = owned();
    const report = { placementId: "p-edge-a", generation: 1, state: "ready", limitMiB: 16 } as const;
    const reported = (more: object) =>
      changes(state, { type: "placement-reported", nodeId: a.id, report: { ...report, ...more }, at: NOW });
    const known = () => state.snapshot().placements.get("p-edge-a");
    expect(reported({ host: "shared-1", measuredMiB: 16 })).toBe(true);
    expect(known()).toMatchObject({ host: "shared-1", measuredMiB: 16 });
    expect(reported({ host: "shared-1", measuredMiB: 336 })).toBe(true);
    reported({ state: "staged" });
    expect(known()).toMatchObject({ host: "shared-1", measuredMiB: 336 });
    reported({});
    expect(known()).toMatchObject({ host: undefined, measuredMiB: undefined });
  });

  it("of a placement stays when rows that were read a moment earlier arrive", () => {
    const offered = aPlacement(a, { state: "offered", stateSince: NOW - 10 });
    const state = aFleetState(rows({ placements: [offered] }));
    const report = { placementId: "p-edge-a", generation: 1, state: "ready", warmUs: 70 } as const;
    expect(changes(state, { type: "placement-reported", nodeId: a.id, report, at: NOW })).toBe(true);
    expect(isEmptyChange(load(state, { placements: [offered] }))).toBe(true);
    expect(state.snapshot().placements.get("p-edge-a")).toMatchObject({ state: "ready", warmUs: 70 });
  });

  it("is a change when readiness turns, and none when it is a sign of life or a load", () => {
    const state = owned();
    const heartbeat = { type: "heartbeat-received", nodeId: a.id, epoch: 2, at: NOW + 1 } as const;
    expect(changes(state, { ...heartbeat, confirmation: "current" })).toBe(false);
    expect(changes(state, { ...heartbeat, confirmation: "stale" })).toBe(true);
    expect(changes(state, { ...heartbeat, confirmation: "current" })).toBe(false);
    expect(changes(state, { ...heartbeat, confirmation: "current" })).toBe(true);
    expect(changes(state, { type: "node-heard", nodeId: a.id, epoch: 2, at: NOW + 9 })).toBe(false);
    const report = { at: NOW, cpuPct: 1, memFreeMiB: 1, diskFreeMiB: 1, rttMs: 1, rif: 0, placements: [] };
    expect(changes(state, { type: "load-reported", nodeId: a.id, epoch: 2, load: report })).toBe(false);
    expect(state.snapshot().nodes.get(a.id)).toMatchObject({ observed: { lastSeen: NOW + 9 }, load: { cpuPct: 1 } });
  });
});

describe("the rate at which a node receives", () => {
  it("is what its pushes showed, stays over its load reports, and is no change", () => {
    const state = owned();
    const rateOf = () => state.snapshot().nodes.get(a.id)?.load?.pushBytesPerMs;
    const push = { type: "push-measured", nodeId: a.id, bytes: 10_000_000, ms: 1_000, at: NOW } as const;
    expect(changes(state, { ...push, epoch: 1 })).toBe(false);
    expect(rateOf()).toBeUndefined();
    expect(changes(state, { ...push, epoch: 2 })).toBe(false);
    const report = { at: NOW, cpuPct: 1, memFreeMiB: 1, diskFreeMiB: 1, rttMs: 1, rif: 0, placements: [] };
    reduce(state, { type: "load-reported", nodeId: a.id, epoch: 2, load: report });
    expect(rateOf()).toBe(10_000);
  });
});

describe("how requests end on a node", () => {
  const counted = (placementId: string, done: number, failed: number) => ({
    placementId,
    done,
    failed,
    rif: 0,
    queued: 0,
    slots: 1,
    meanUs: 1,
    p95Us: 1,
    rssMiB: 1,
  });

  it("is counted for the versions of its own placements, from one load report to the next, over sessions", () => {
    const state = owned();
    const report = (epoch: number, ...placements: FleetLoad["placements"]) =>
      reduce(state, { type: "load-reported", nodeId: a.id, epoch, load: aLoad({ placements }) });
    const errorsOf = () => state.snapshot().nodes.get(a.id)?.load?.errors;
    report(2, counted("p-edge-a", 500, 100), counted("p-edge-b", 0, 0));
    expect(errorsOf()).toBeUndefined();
    report(2, counted("p-edge-a", 506, 102), counted("p-edge-b", 0, 50), counted("p-unknown", 0, 50));
    const known = { model: "digits", version: 1, at: NOW, erredAt: NOW };
    expect(errorsOf()).toEqual([{ ...known, requests: 8, errors: 2 }]);
    reduce(state, { type: "session-closed", nodeId: a.id, epoch: 2, at: NOW, isDisconnect: true });
    const reopened = { type: "session-opened", nodeId: a.id, epoch: 3, replica: "r-1", agentVersion: "1" } as const;
    const { capabilities = raise() } = a;
    reduce(state, { ...reopened, capabilities, at: NOW });
    report(3, counted("p-edge-a", 3, 1));
    expect(errorsOf()).toEqual([{ ...known, requests: 12, errors: 3 }]);
  });
});

describe("how often a node's connection broke", () => {
  it("is what its owner saw, unless the rows tell of a later one that another owner saw", () => {
    const state = owned();
    const scoreOf = () => state.snapshot().nodes.get(a.id)?.session?.disconnects?.score;
    reduce(state, { type: "session-closed", nodeId: a.id, epoch: 2, at: NOW, isDisconnect: true });
    const rowOf = (score: number, at: number) => {
      const { session } = state.snapshot().nodes.get(a.id) ?? a;
      return load(state, { nodes: [{ ...a, session: session && { ...session, disconnects: { score, at } } }, b] });
    };
    rowOf(1, NOW + 1);
    expect(state.snapshot().nodes.get(a.id)?.session?.disconnects?.at).toBe(NOW);
    rowOf(3, NOW - 5_000);
    expect(scoreOf()).toBe(1);
    rowOf(2, NOW + 5_000);
    expect(scoreOf()).toBe(2);
  });
});

describe("what a node can do", () => {
  it("changes within its session, and by no message of an older one", () => {
    const state = owned();
    const before = state.snapshot().nodes.get(a.id)?.capabilities;
    if (before === undefined) throw new Error("a node without capabilities");
    const capabilities = { ...before, engines: [{ api: "openai" as const, models: ["m"] }] };
    const event = { type: "capabilities-reported", nodeId: a.id, capabilities } as const;
    expect(changes(state, { ...event, epoch: 1 })).toBe(false);
    expect(changes(state, { ...event, epoch: 2 })).toBe(true);
    expect(state.snapshot().nodes.get(a.id)?.capabilities).toEqual(capabilities);
  });
});

describe("rows", () => {
  it("that say what is known change nothing: no object, no revision", () => {
    const state = aFleetState(rows());
    const before = state.snapshot();
    const again: FleetRows = structuredClone(rows());
    expect(isEmptyChange(reduce(state, { type: "rows-loaded", rows: again }))).toBe(true);
    const after = state.snapshot();
    expect(after.revision).toBe(before.revision);
    for (const part of ["nodes", "placements", "deployments", "versions", "aliases", "placementsOn"] as const)
      expect(after[part]).toBe(before[part]);
  });

  it("that differ change what differs, and leave earlier snapshots as they were", () => {
    const state = aFleetState(rows());
    const before = state.snapshot();
    const change = load(state, { placements: [aPlacement(a, { wanted: "gone" })] });
    expect([...change.placements]).toEqual([
      ["p-edge-a", a.id],
      ["p-edge-b", b.id],
    ]);
    expect(change.nodes.size + change.deployments.size + change.versions.size).toBe(0);
    expect(before.placements.get("p-edge-b")).toBeDefined();
    expect(before.placementsOn.get(b.id)).toHaveLength(1);
    const after = state.snapshot();
    expect(after.placementsOn.get(a.id)?.[0]?.wanted).toBe("gone");
    expect(after.placementsOn.has(b.id)).toBe(false);
    expect(after.nodes).toBe(before.nodes);
    expect(after.revision).toBe(before.revision + 1);
  });

  it("touch the documents of the nodes that hold what changed, and no others", () => {
    const state = aFleetState(rows({ placements: [aPlacement(a)] }));
    const withAlias = {
      placements: [aPlacement(a)],
      aliases: [...aliases, { model: "digits", alias: "new", version: 1 }],
    };
    expect([...documentsTouched(state.snapshot(), load(state, withAlias))]).toEqual([a.id]);
  });
});

describe("a session that another replica holds", () => {
  const other = (over: Parameters<typeof aFleetSession>[0]): FleetNode =>
    aNode("edge-a", { session: aFleetSession({ replica: "r-2", epoch: 2, ...over }) });

  it("wins over what was observed here, at the same epoch and at a higher one", () => {
    for (const epoch of [2, 3]) {
      const state = owned();
      load(state, { nodes: [other({ epoch }), b] });
      const node = state.snapshot().nodes.get(a.id);
      expect([node?.session?.replica, node?.observed]).toEqual(["r-2", undefined]);
      expect(changes(state, { type: "session-closed", nodeId: a.id, epoch: 2, at: NOW, isDisconnect: true })).toBe(
        false,
      );
    }
  });

  it("is as its owner recorded it while the owner lives, however long ago the node itself was recorded", () => {
    const state = aFleetState(rows({ nodes: [other({}), b] }));
    for (let now = NOW; now < NOW + 180_000; now += 5_000) {
      const session = aFleetSession({ replica: "r-2", epoch: 2, ownerSeen: now });
      expect(changes(state, { type: "liveness-loaded", sessions: [{ nodeId: a.id, session, load: undefined }] })).toBe(
        false,
      );
      expect(stateOf(state, a, now + 5_000)).toBe("ready");
    }
    const closed = aFleetSession({ replica: "r-2", epoch: 2, open: false, ownerSeen: NOW + 180_000 });
    expect(
      changes(state, { type: "liveness-loaded", sessions: [{ nodeId: a.id, session: closed, load: undefined }] }),
    ).toBe(true);
    expect(stateOf(state, a, NOW + TIMINGS.lostMs)).toBe("suspect");
  });

  it("makes the node detached when its owner is dead or gone, and lost a minute after the last sign of life", () => {
    const state = aFleetState(rows({ nodes: [other({ lastSeen: NOW - 5_000 }), b] }));
    expect(stateOf(state, a, NOW + OWNER_GONE_MS)).toBe("ready");
    expect(stateOf(state, a, NOW + OWNER_GONE_MS + 1)).toBe("detached");
    expect(stateOf(state, a, NOW + TIMINGS.lostMs)).toBe("detached");
    expect(stateOf(state, a, NOW + TIMINGS.lostMs + 1)).toBe("lost");
    load(state, { nodes: [other({ ownerSeen: undefined }), b] });
    expect(stateOf(state, a, NOW + 1)).toBe("detached");
  });
});

describe("a session that this replica holds", () => {
  it("is as observed, ahead of its row", () => {
    const state = owned(NOW + 100_000);
    const row = aNode("edge-a", { session: aFleetSession({ epoch: 2, isReady: false, lastSeen: NOW }) });
    load(state, { nodes: [row, b] });
    expect(stateOf(state, a, NOW + 100_000)).toBe("ready");
    reduce(state, { type: "session-closed", nodeId: a.id, epoch: 2, at: NOW + 100_000, isDisconnect: true });
    load(state, { nodes: [row, b] });
    expect(stateOf(state, a, NOW + 100_000)).toBe("suspect");
    expect(stateOf(state, a, NOW + 160_001)).toBe("lost");
  });

  it("outlives rows that were read before it was recorded", () => {
    const state = owned();
    load(state);
    expect(state.snapshot().nodes.get(a.id)?.session?.epoch).toBe(2);
  });
});
