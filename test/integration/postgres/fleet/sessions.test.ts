import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import type { NewPlacement } from "../../../../control-plane/ports/plan.ts";
import type { NodeId } from "../../../../shared/base/ids.ts";
import { eventually } from "../../../support/eventually.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import {
  alice,
  connect,
  event,
  joinNode,
  lead,
  messagesOf,
  nodeOf,
  openingOf,
  openStores,
  placementOn,
  placementsOf,
  readyVersion,
  someCapabilities,
  specOf,
} from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let sql: pg.Client;
let nodeId: NodeId;
let placement: NewPlacement;
let name: string;
let count = 0;

/** As `openingOf` names it. */
const SELF = { id: "r-1", address: "a:7070" };
const touch = (seen: { nodeId: NodeId; epoch: number; ageMs: number }): Promise<void> =>
  stores.sessions.touch(SELF, [{ ...seen, isReady: false, load: undefined }], { areAll: true });

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  sql = await connect(database.url);
  await readyVersion(stores);
  await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
});
afterAll(async () => {
  await sql.end();
  await stores.close();
  await database.stop();
});
beforeEach(async () => {
  name = `edge-${++count}`;
  nodeId = await joinNode(stores, name);
  placement = placementOn(nodeId);
  await stores.plans.createPlacements(await lead(stores), [{ placement, event: event("placed") }]);
});

const opened = async (over: Partial<ReturnType<typeof openingOf>> = {}) =>
  stores.sessions.open({ ...openingOf(nodeId), ...over });
const stored = async () => (await placementsOf(stores)).find(({ id }) => id === placement.id);
const readyReport = () =>
  ({ placementId: placement.id, generation: 1, state: "ready", rssMiB: 120, warmUs: 900 }) as const;

describe("a session", () => {
  it("gets an epoch above all before it, also above what the node has seen", async () => {
    expect(await opened()).toMatchObject({ epoch: 1 });
    expect(await opened()).toMatchObject({ epoch: 2 });
    expect(await opened({ lastEpoch: 40 })).toMatchObject({ epoch: 41 });
    expect(await opened({ lastEpoch: 3 })).toMatchObject({ epoch: 42 });
  });

  it("gets a different epoch from each of twenty openings at once", async () => {
    const openings = await Promise.all(Array.from({ length: 20 }, () => opened()));
    expect(new Set(openings.map((opening) => opening?.epoch)).size).toBe(20);
  });

  it("is opened together with those of other nodes, and a node that may have none or whose words cannot be written does not hold them up", async () => {
    const others = await Promise.all(["b", "c", "d"].map((each) => joinNode(stores, `${name}-${each}`)));
    const [good, old, broken] = others.map(openingOf);
    if (!good || !old || !broken) throw new Error("three nodes have joined");
    const openings = [
      stores.sessions.open(openingOf(nodeId)),
      stores.sessions.open(good),
      stores.sessions.open({ ...old, generation: 7 }),
      stores.sessions.open({ ...broken, agentVersion: "\u0000" }),
    ];
    const [first, second, third, fourth] = await Promise.allSettled(openings);
    const opening = { status: "fulfilled", value: { epoch: 1, desiredRev: 1, regressed: false } };
    expect([first, third, fourth?.status]).toEqual([opening, { status: "fulfilled", value: null }, "rejected"]);
    expect(second).toMatchObject({ status: "fulfilled", value: { epoch: 1, regressed: false } });
    expect((await nodeOf(stores, `${name}-b`)).session).toMatchObject({ epoch: 1, open: true });
    const identities = [nodeId, "n-nobody", ...others].map((id) => stores.sessions.identity(id));
    expect((await Promise.all(identities)).map((identity) => identity?.name)).toEqual([
      name,
      undefined,
      ...["b", "c", "d"].map((each) => `${name}-${each}`),
    ]);
  });

  it("shows in the fleet with what the node reported", async () => {
    const before = performance.now();
    await opened({ replica: "r-7" });
    const asked = performance.now();
    const rows = await stores.fleet.load(asked);
    const tookMs = performance.now() - asked;
    const node = rows.nodes.find(({ id }) => id === nodeId);
    expect(node).toMatchObject({
      capabilities: someCapabilities,
      session: { epoch: 1, open: true, replica: "r-7", agentVersion: "0.1.0", isReady: false },
    });
    // Ages are counted from when the rows were asked for: what the answer takes makes them older.
    expect(node?.session?.lastSeen).toBeGreaterThan(before - tookMs - 5);
    expect(node?.session?.lastSeen).toBeLessThanOrEqual(performance.now());
  });

  it("continues above the node's revision when the database was set back", async () => {
    expect(await opened({ desiredRev: 1 })).toEqual({ epoch: 1, desiredRev: 1, regressed: false });
    expect(await opened({ desiredRev: 44 })).toEqual({ epoch: 2, desiredRev: 45, regressed: true });
    expect((await nodeOf(stores, name)).desiredRev).toBe(45);
  });

  it("is not opened for an unknown or revoked node, nor for another generation", async () => {
    expect(await opened({ nodeId: "n-nobody" as NodeId })).toBeNull();
    expect(await opened({ generation: 2 })).toBeNull();
    await stores.nodes.revoke(name, { actor: alice, event: event("revoked") });
    expect(await opened()).toBeNull();
    expect(await opened({ generation: 2 })).toBeNull();
  });

  it("records what the node can do now, unless a newer one has begun", async () => {
    await opened();
    const capabilities = { ...someCapabilities, engines: [{ api: "oip" as const, models: ["m"] }] };
    expect(await stores.sessions.changeCapabilities({ nodeId, epoch: 1 }, capabilities)).toBe(true);
    expect((await nodeOf(stores, name)).capabilities).toEqual(capabilities);
    await opened();
    expect(await stores.sessions.changeCapabilities({ nodeId, epoch: 1 }, capabilities)).toBe(false);
    expect((await nodeOf(stores, name)).capabilities).toEqual(someCapabilities);
  });

  it("is closed by its own epoch only", async () => {
    await opened();
    await opened();
    expect(await stores.sessions.close(nodeId, 1)).toBe(false);
    expect((await nodeOf(stores, name)).session?.open).toBe(true);
    expect(await stores.sessions.close(nodeId, 2)).toBe(true);
    expect(await stores.sessions.close(nodeId, 2)).toBe(true);
    expect((await nodeOf(stores, name)).session?.open).toBe(false);
  });

  it("keeps how often the node's connection broke, over later sessions too", async () => {
    await opened();
    expect((await nodeOf(stores, name)).session?.disconnects).toBeUndefined();
    await stores.sessions.close(nodeId, 1, 2.5);
    await opened();
    await stores.sessions.close(nodeId, 2);
    expect((await nodeOf(stores, name)).session?.disconnects?.score).toBe(2.5);
  });
});

describe("a node's revision", () => {
  const revOf = async () => (await nodeOf(stores, name)).desiredRev;

  it("rises when an alias comes to a version that it holds or leaves it, so that no session looks set back", async () => {
    await readyVersion(stores);
    const move = (version: number) =>
      stores.catalog.moveAlias(
        { model: "digits", alias: `of-${name}`, version, ifMatch: undefined },
        { actor: alice, event: event("moved") },
      );
    const before = await revOf();
    await move(1);
    expect(await revOf()).toBe(before + 1);
    await move(2);
    expect(await revOf()).toBe(before + 2);
    await move(2);
    expect(await revOf()).toBe(before + 2);
    expect(await opened({ desiredRev: before + 2 })).toMatchObject({ regressed: false });
  });
});

describe("a session at another replica", () => {
  const held = (over: { bootId?: string; replica?: string } = {}) =>
    stores.sessions.heldElsewhere({ nodeId, bootId: "b-2", replica: "r-2", ...over });

  it("is held by another process, with how long nothing came from that, while it is open and its replica lives", async () => {
    await stores.sessions.touch(SELF, [], { areAll: false });
    expect(await held()).toBeNull();
    await opened();
    await sql.query("UPDATE node_sessions SET last_seen_at = now() - interval '1 minute' WHERE node_id = $1", [nodeId]);
    expect((await held())?.silentMs).toBeGreaterThan(59_000);
    await stores.sessions.heard({ nodeId, epoch: 1, ageMs: 2_000 });
    const { silentMs = 0 } = (await held()) ?? {};
    expect(silentMs).toBeGreaterThan(1_900);
    expect(silentMs).toBeLessThan(30_000);
    await stores.sessions.heard({ nodeId, epoch: 0, ageMs: 0 });
    expect((await held())?.silentMs).toBeGreaterThan(1_900);
    expect([await held({ bootId: "b-1" }), await held({ replica: SELF.id })]).toEqual([null, null]);
    await stores.sessions.leave(SELF.id);
    expect(await held()).toBeNull();
    await stores.sessions.touch(SELF, [], { areAll: false });
    await stores.sessions.close(nodeId, 1);
    expect(await held()).toBeNull();
  });
});

describe("touch", () => {
  it("writes when a byte last arrived, for the sessions whose epoch is the newest", async () => {
    await opened();
    await sql.query("UPDATE node_sessions SET last_seen_at = now() - interval '1 hour' WHERE node_id = $1", [nodeId]);
    await touch({ nodeId, epoch: 0, ageMs: 10 });
    const silence = async (): Promise<number> =>
      -((await stores.fleet.load(0)).nodes.find(({ id }) => id === nodeId)?.session?.lastSeen ?? 0);
    expect(await silence()).toBeGreaterThan(3_000_000);
    await touch({ nodeId, epoch: 1, ageMs: 5_000.4 });
    expect(await silence()).toBeGreaterThan(4_700); // two clocks are compared to within 250 ms
    expect(await silence()).toBeLessThan(50_000);
    await touch({ nodeId, epoch: 1, ageMs: 60_000 });
    expect(await silence()).toBeLessThan(50_000);
    await stores.sessions.touch(SELF, [], { areAll: true });
  });

  it("records readiness and load, which other replicas read in one statement", async () => {
    await opened();
    const seen = async (replica: string) =>
      (await stores.fleet.liveness(replica, 0)).find((recorded) => recorded.nodeId === nodeId);
    expect(await seen("r-other")).toMatchObject({ session: { open: true, isReady: false }, load: undefined });
    const load = { at: 0, cpuPct: 40, memFreeMiB: 10, diskFreeMiB: 20, rttMs: 3.5, rif: 1, placements: [] };
    await stores.sessions.touch(SELF, [{ nodeId, epoch: 1, ageMs: 0, isReady: true, load }], { areAll: true });
    const { at: _at, ...figures } = load;
    expect(await seen("r-other")).toMatchObject({ session: { isReady: true, replica: SELF.id }, load: figures });
    expect((await seen("r-other"))?.session.ownerSeen).toBeDefined();
    expect(await seen(SELF.id)).toBeUndefined();
    await opened();
    expect(await seen("r-other")).toMatchObject({ session: { epoch: 2, isReady: false } });
  });

  it("records how requests ended on a node, by their age", async () => {
    await opened();
    const load = { at: 70_000, cpuPct: 40, memFreeMiB: 10, diskFreeMiB: 20, rttMs: 3.5, rif: 1, placements: [] };
    const errors = [
      { model: "digits", version: 3, requests: 80.04, errors: 2.26, at: 60_000, erredAt: 10_000 },
      { model: "faces", version: 1, requests: 5, errors: 0, at: 70_000, erredAt: undefined },
    ];
    const session = { nodeId, epoch: 1, ageMs: 0, isReady: true, load: { ...load, errors } };
    await stores.sessions.touch(SELF, [session], { areAll: true });
    const recorded = (await stores.fleet.liveness("r-other", 0)).find((each) => each.nodeId === nodeId)?.load;
    const at = recorded?.at ?? Number.NaN;
    expect(recorded?.errors).toEqual([
      { model: "digits", version: 3, requests: 80, errors: 2.3, at: at - 10_000, erredAt: at - 60_000 },
      { model: "faces", version: 1, requests: 5, errors: 0, at, erredAt: undefined },
    ]);
  });

  it("locks sessions in the order of their nodes, so that those who write several of them wait for each other", async () => {
    const others = await Promise.all(["x", "y"].map((suffix) => joinNode(stores, `${name}-${suffix}`)));
    const ids = [nodeId, ...others].toSorted((a, b) => (a < b ? -1 : 1));
    for (const id of ids) await stores.sessions.open(openingOf(id));
    const [first = nodeId, second = nodeId, last = nodeId] = ids;
    const sessions = [last, first, second].map((id) => ({
      nodeId: id,
      epoch: 1,
      ageMs: 0,
      isReady: true,
      load: undefined,
    }));
    const transitions = [last, first, second].map((id) => ({
      nodeId: id,
      from: undefined,
      to: "ready" as const,
      event: { ...event("ready"), reason: "NodeReady" as const },
    }));
    const fence = await lead(stores);
    const other = await connect(database.url);
    for (const write of [
      () => stores.sessions.touch(SELF, sessions, { areAll: false }),
      () => stores.plans.announce(fence, transitions),
    ]) {
      await sql.query("BEGIN");
      await sql.query("SELECT 1 FROM node_sessions WHERE node_id = $1 FOR UPDATE", [second]);
      const writing = write();
      const free = async (): Promise<readonly string[]> => {
        const { rows } = await other.query<{ node_id: string }>(
          "SELECT node_id FROM node_sessions WHERE node_id = ANY($1) ORDER BY node_id FOR UPDATE SKIP LOCKED",
          [ids],
        );
        return rows.map(({ node_id: id }) => id);
      };
      await eventually("it waits for the session in the middle", async () => !(await free()).includes(first));
      expect(await free()).toEqual([last]);
      await sql.query("COMMIT");
      await writing;
    }
    await other.end();
  });

  it("closes sessions of its own that it does not name, but none that has just been opened", async () => {
    await opened();
    const isOpen = async () => (await nodeOf(stores, name)).session?.open;
    await stores.sessions.touch(SELF, [], { areAll: true });
    expect(await isOpen()).toBe(true);
    await sql.query("UPDATE node_sessions SET opened_at = now() - interval '1 minute' WHERE node_id = $1", [nodeId]);
    await stores.sessions.touch(SELF, [], { areAll: false });
    expect(await isOpen()).toBe(true);
    await stores.sessions.touch({ id: "r-other", address: "b:1" }, [], { areAll: true });
    expect(await isOpen()).toBe(true);
    await stores.sessions.touch(SELF, [], { areAll: true });
    expect(await isOpen()).toBe(false);
  });
});

describe("a replica", () => {
  const ownerSeen = async () => (await nodeOf(stores, name)).session?.ownerSeen;

  it("is gone when it leaves, and when another one has taken its address", async () => {
    await opened();
    await stores.sessions.touch(SELF, [], { areAll: true });
    expect(await ownerSeen()).toBeDefined();
    await stores.sessions.leave(SELF.id);
    expect(await ownerSeen()).toBeUndefined();
    await stores.sessions.touch(SELF, [], { areAll: true });
    await stores.sessions.enter({ id: "r-elsewhere", address: "b:1" });
    expect(await ownerSeen()).toBeDefined();
    await stores.sessions.enter({ id: "r-next", address: SELF.address });
    expect(await ownerSeen()).toBeUndefined();
  });
});

describe("announce", () => {
  it("keeps the event of a transition once, whichever replica announces it", async () => {
    await opened();
    const fence = await lead(stores);
    const told = { nodeId, from: undefined, to: "lost", event: { ...event("lost"), reason: "NodeLost" } } as const;
    expect(await stores.plans.announce(fence, [told])).toBe("committed");
    expect((await nodeOf(stores, name)).session?.announced).toBe("lost");
    expect(await stores.plans.announce(fence, [told])).toBe("stale");
    expect(await stores.plans.announce({ ...fence, token: fence.token + 1n }, [told])).toBe("fenced");
  });
});

describe("report", () => {
  it("writes what the node said, with the events", async () => {
    await opened();
    expect(await stores.sessions.report({ nodeId, epoch: 1 }, [readyReport()], [event(`${name} serves`)])).toBe(true);
    expect(await stored()).toMatchObject({ state: "ready", rssMiB: 120, warmUs: 900, failure: undefined });
    expect(await messagesOf(stores)).toContain(`${name} serves`);
  });

  it("writes whether runs are shared and what may be used, and keeps a measurement when the next host makes none", async () => {
    await opened();
    const session = { nodeId, epoch: 1 };
    const sharing = { isShared: false, reason: "the deployment sets limits.maxBatch to 1" };
    await stores.sessions.report(session, [{ ...readyReport(), sharing, limitMiB: 384, measuredMiB: 384 }], []);
    expect(await stored()).toMatchObject({ sharing, limitMiB: 384, measuredMiB: 384 });
    await stores.sessions.report(session, [{ placementId: placement.id, generation: 1, state: "staged" }], []);
    expect(await stored()).toMatchObject({ sharing: undefined, limitMiB: undefined, measuredMiB: 384 });
  });

  it("writes which shared host a placement is in, and forgets its share when it has left that", async () => {
    await opened();
    const report = (more: object) => stores.sessions.report({ nodeId, epoch: 1 }, [{ ...readyReport(), ...more }], []);
    await report({ host: "shared-1", measuredMiB: 16 });
    expect(await stored()).toMatchObject({ host: "shared-1", measuredMiB: 16 });
    await report({ state: "staged" });
    expect(await stored()).toMatchObject({ host: "shared-1", measuredMiB: 16 });
    await report({});
    expect(await stored()).toMatchObject({ host: undefined, measuredMiB: undefined });
  });

  it("of an older epoch changes nothing and says so", async () => {
    await opened();
    await opened();
    expect(await stores.sessions.report({ nodeId, epoch: 1 }, [readyReport()], [event(`${name} is late`)])).toBe(false);
    expect(await stored()).toMatchObject({ state: "offered" });
    expect(await messagesOf(stores)).not.toContain(`${name} is late`);
  });

  it("of a revoked node changes nothing and says so", async () => {
    await opened();
    await stores.nodes.revoke(name, { actor: alice, event: event("revoked") });
    expect(await stores.sessions.report({ nodeId, epoch: 1 }, [readyReport()], [])).toBe(false);
    expect(await stored()).toMatchObject({ state: "offered", wanted: "gone" });
  });

  it("of an older generation, or of another node's placement, changes nothing and keeps no event of its own", async () => {
    await opened();
    const other = await joinNode(stores, `${name}-other`);
    await stores.sessions.open(openingOf(other));
    expect(
      await stores.sessions.report(
        { nodeId, epoch: 1 },
        [{ ...readyReport(), generation: 0 }],
        [event(`${name} from the past`)],
      ),
    ).toBe(true);
    expect(await stores.sessions.report({ nodeId: other, epoch: 1 }, [readyReport()], [event(`${name} lies`)])).toBe(
      true,
    );
    expect(await stored()).toMatchObject({ state: "offered" });
    const messages = await messagesOf(stores);
    expect(messages).not.toContain(`${name} from the past`);
    expect(messages).not.toContain(`${name} lies`);
  });

  it("moves the time of the state only when the state changes", async () => {
    await opened();
    await stores.sessions.report({ nodeId, epoch: 1 }, [readyReport()], []);
    await sql.query("UPDATE placements SET state_since = now() - interval '1 hour' WHERE id = $1", [placement.id]);
    await stores.sessions.report({ nodeId, epoch: 1 }, [{ ...readyReport(), rssMiB: 200 }], []);
    expect(await stored()).toMatchObject({ rssMiB: 200 });
    expect((await stored())?.stateSince).toBeLessThan(-3_599_000);
    await stores.sessions.report(
      { nodeId, epoch: 1 },
      [{ placementId: placement.id, generation: 1, state: "draining" }],
      [],
    );
    expect((await stored())?.stateSince).toBeGreaterThan(-60_000);
    expect(await stored()).toMatchObject({ state: "draining", rssMiB: 200, warmUs: 900 });
  });

  it("of what is known already writes no row, and reports nothing", async () => {
    await opened();
    const session = { nodeId, epoch: 1 };
    const rowVersion = async (): Promise<unknown> =>
      (await sql.query("SELECT xmin::text FROM placements WHERE id = $1", [placement.id])).rows;
    await stores.sessions.report(session, [readyReport()], []);
    const before = await rowVersion();
    expect(await stores.sessions.report(session, [readyReport()], [event(`${name} again`)])).toBe(true);
    const { rssMiB: _rss, warmUs: _warm, ...bare } = readyReport();
    expect(await stores.sessions.report(session, [bare], [])).toBe(true);
    expect(await rowVersion()).toEqual(before);
    expect(await messagesOf(stores)).not.toContain(`${name} again`);
  });

  it("of nodes that return with what is known writes nothing, and tells of each whether its session is the newest", async () => {
    await opened();
    const session = { nodeId, epoch: 1 };
    await stores.sessions.report(session, [readyReport()], []);
    const others = await Promise.all(["b", "c", "d"].map((each) => joinNode(stores, `${name}-${each}`)));
    await Promise.all(others.map((id) => stores.sessions.open(openingOf(id))));
    const writes = async (): Promise<unknown> =>
      (
        await sql.query(
          "SELECT (SELECT max(xmin::text::bigint) FROM events), (SELECT max(xmin::text::bigint) FROM placements)",
        )
      ).rows;
    const before = await writes();
    const known = [
      stores.sessions.report(session, [readyReport()], []),
      ...others.map((id) => stores.sessions.report({ nodeId: id, epoch: 1 }, [], [])),
      stores.sessions.report({ nodeId, epoch: 7 }, [readyReport()], []),
    ];
    expect(await Promise.all(known)).toEqual([true, true, true, true, false]);
    expect(await writes()).toEqual(before);
  });

  it("writes what differs beside what is known, and takes a placement that was removed and is wanted for news", async () => {
    await opened();
    const session = { nodeId, epoch: 1 };
    await stores.sessions.report(session, [readyReport()], []);
    await stores.sessions.report(session, [{ ...readyReport(), state: "warming" }], []);
    expect(await stored()).toMatchObject({ state: "warming" });
    await stores.sessions.report(session, [{ placementId: placement.id, generation: 1, state: "gone" }], []);
    expect(await stored()).toMatchObject({ state: "offered" });
    await stores.sessions.report(session, [{ placementId: placement.id, generation: 1, state: "gone" }], []);
    expect((await messagesOf(stores)).filter((each) => each.includes(`${name} has removed`))).toHaveLength(2);
  });

  it("keeps the words of a failure that it knows in full, when hello cuts them short", async () => {
    await opened();
    const session = { nodeId, epoch: 1 };
    const failed = (detail: string, code: "OUT_OF_MEMORY" | "HOST_CRASHED" = "HOST_CRASHED") =>
      ({ placementId: placement.id, generation: 1, state: "failed", code, detail }) as const;
    const words = "the model hangs in its first run";
    for (const [report, detail] of [
      [failed(words), words],
      [failed(words.slice(0, 15)), words],
      [failed("out of memory"), "out of memory"],
      [failed("out"), "out of memory"],
      [failed("out", "OUT_OF_MEMORY"), "out"],
    ] as const) {
      await stores.sessions.report(session, [report], []);
      expect(await stored()).toMatchObject({ failure: { detail } });
    }
  });

  it("takes the last of several reports on one placement", async () => {
    await opened();
    const failed = { placementId: placement.id, generation: 1, state: "failed" } as const;
    await stores.sessions.report({ nodeId, epoch: 1 }, [readyReport(), failed], []);
    expect(await stored()).toMatchObject({ state: "failed", failure: { code: "HOST_CRASHED", detail: "" } });
  });
});

// The last one: the placements of the others are of the deployment's first generation.
describe("a changed deployment", () => {
  it("raises the revision of the nodes that hold something of it: limits stand in their documents", async () => {
    const before = (await nodeOf(stores, name)).desiredRev;
    const spec = specOf("digits");
    await stores.deployments.put(
      { ...spec, limits: { ...spec.limits, maxBatch: 3 + count } },
      { actor: alice, ifMatch: undefined },
    );
    expect((await nodeOf(stores, name)).desiredRev).toBe(before + 1);
  });
});
