import { describe, expect, it } from "@jest/globals";
import { NodeSessions } from "../../../../../control-plane/app/node-sessions/node-sessions.ts";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import { nodeState } from "../../../../../control-plane/core/fleet/node-status.ts";
import { quarantineOf } from "../../../../../control-plane/core/fleet/versions/quarantine.ts";
import type { FleetNode, FleetPlacement } from "../../../../../control-plane/core/fleet/types.ts";
import type { Notable } from "../../../../../control-plane/ports/access/audit.ts";
import type { NewEvent } from "../../../../../control-plane/ports/events.ts";
import type { ControlSession, InferenceChannel } from "../../../../../control-plane/ports/nodes/channels.ts";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { CLOSE } from "../../../../../shared/protocol/close-codes.ts";
import type { Hello, NodeMessage } from "../../../../../shared/protocol/messages/node-messages.ts";
import { aNode, aPlacement, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const node = aNode("edge-a", { session: undefined });
const DIGEST = `sha256:${"0".repeat(64)}` as Hello["desired"]["digest"];

/** One channel of a node: what was sent on it, and the codes with which it was closed. */
class Channel {
  readonly sent: { readonly type: string; readonly [field: string]: unknown }[] = [];
  readonly closedWith: number[] = [];
  /** The welcome had the id 1. */
  readonly send = (message: never): number => this.sent.push(message) + 1;
  readonly close = (code: number): void => void this.closedWith.push(code);
  pings = 0;
  isAlive = false;
  readonly lastByteAt = (): number => NOW + (this.isAlive ? this.pings : 0);
  readonly ping = (): void => void (this.pings += 1);
  /** Id of the newest message that a heartbeat can confirm. */
  newestAck(): number {
    return this.sent.findLastIndex(({ type }) => type === "heartbeat.ack") + 2;
  }
}

/** Sessions as PostgreSQL keeps them: each opening has the next epoch, a revoked node has none. */
class Sessions {
  isRevoked = false;
  epoch = 0;
  readonly closed: number[] = [];
  readonly open = (): Promise<{ epoch: number; desiredRev: number; regressed: boolean } | null> =>
    Promise.resolve(this.isRevoked ? null : { epoch: (this.epoch += 1), desiredRev: 0, regressed: false });
  readonly disconnects: (number | undefined)[] = [];
  readonly close = (_nodeId: NodeId, epoch: number, disconnects?: number): Promise<boolean> => {
    this.closed.push(epoch);
    this.disconnects.push(disconnects);
    return Promise.resolve(true);
  };
  readonly report = (): Promise<boolean> => Promise.resolve(true);
}

const hello = {
  type: "hello",
  id: 1,
  nodeId: node.id,
  generation: 1,
  signature: "",
  bootId: "b-1",
  agentVersion: "0.1.0",
  features: ["response-streams"],
  clock: "",
  capabilities: node.capabilities,
  lastEpoch: 0,
  desired: { rev: 0, digest: DIGEST },
  placements: [],
} as unknown as Hello;

/** Of what it rejects with. */
const codeOf = (refused: Promise<unknown>): Promise<string> =>
  refused.then(
    () => "none",
    ({ code }: { code: string }) => code,
  );

/** Lets promises go on until it holds. */
async function eventually(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !holds(); turn += 1) await Promise.resolve();
  expect(holds()).toBe(true);
}

async function setUp({
  kind = node.kind,
  more = {},
  keyAgeMs = 0,
}: {
  readonly kind?: typeof node.kind;
  readonly more?: { readonly nodes?: readonly FleetNode[]; readonly placements?: readonly FleetPlacement[] };
  readonly keyAgeMs?: number;
} = {}) {
  const clock = new TestClock(NOW);
  const fleet = await fleetOf({ ...more, nodes: [{ ...node, kind }, ...(more.nodes ?? [])] }, clock);
  const registry = new SessionRegistry();
  const sessions = new Sessions();
  const events: NewEvent[] = [];
  const logs: [string, number][] = [];
  const forgotten: number[] = [];
  const redeemed: string[] = [];
  const audited: Notable[] = [];
  const handler = new NodeSessions({
    replica: "r-1",
    peerUrl: "ws://10.0.0.7:7070",
    sessions: sessions as never,
    keys: { verify: () => true },
    registry,
    fleet,
    push: {
      offerSoon: () => undefined,
      onMessage: () => undefined,
      forget: ({ epoch }: { epoch: number }) => forgotten.push(epoch),
      redeem: (_session: unknown, ticket: string) => (redeemed.push(ticket), () => undefined),
    } as never,
    telemetry: { report: () => undefined } as never,
    timings: TIMINGS,
    heartbeatMs: 5_000,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    audit: { record: (entry) => Promise.resolve(void audited.push(entry)) },
    recorder: {
      record: (event) => void events.push(event),
      recordLog: (node, { lines }) => logs.push([node, lines.length]),
    },
  });
  handler.start();
  /** A node whose proof held opens its session. */
  const connect = async (
    over: Partial<Hello> = {},
  ): Promise<{ channel: Channel; session: ControlSession; say: (message: object) => void }> => {
    const channel = new Channel();
    const session = await handler.openControl({ ...hello, ...over }, node.id, {
      address: "10.0.0.7:1",
      identity: { name: node.name, kind: node.kind, publicKey: "", generation: 1, revoked: false, keyAgeMs },
      connect: () => channel as never,
    });
    session.started(1);
    let id = 1;
    const say = (message: object): void =>
      session.onMessage({ id: (id += 1), epoch: session.epoch, ...message } as unknown as NodeMessage);
    return { channel, session, say };
  };
  const state = (): string => {
    const found = fleet.snapshot().nodes.get(node.id);
    return found ? nodeState(found, clock.now(), TIMINGS) : "unknown";
  };
  const reasons = (): readonly string[] => events.map(({ reason }) => reason);
  return { clock, fleet, registry, sessions, events, forgotten, redeemed, audited, handler, connect, state, reasons };
}

describe("a node that opens two sessions at once", () => {
  it("keeps the newer one, also when PostgreSQL's answer about the older one comes last", async () => {
    const { connect, registry, sessions, handler } = await setUp();
    const answers: (() => void)[] = [];
    const { open } = sessions;
    Object.assign(sessions, {
      open: async () => {
        const answer = await open();
        await new Promise<void>((resolve) => answers.push(resolve));
        return answer;
      },
    });
    const older = connect();
    const newer = connect();
    const refused = codeOf(older);
    await eventually(() => answers.length === 2);
    answers[1]?.();
    const { channel } = await newer;
    answers[0]?.();
    expect(await refused).toBe("CONFLICT");
    expect([registry.get(node.id)?.epoch, channel.closedWith]).toEqual([2, []]);
    const late = connect();
    const sentAway = codeOf(late);
    await eventually(() => answers.length === 3);
    handler.handOver();
    answers[2]?.();
    expect(await sentAway).toBe("DRAINING");
  });
});

describe("a node that speaks for placements of another one", () => {
  const other = aNode("edge-b");
  /** One from before the node's key was made, one from after it, and its own. */
  const placements = [
    aPlacement(other, { id: "p-old" as never, decidedAt: NOW - 3_600_000 }),
    aPlacement(other, { id: "p-new" as never, decidedAt: NOW - 60_000, model: "faces" }),
    aPlacement(node),
  ];
  const ready = (placementId: string) => ({ placementId, generation: 1, state: "ready" as const });
  const load = (placementId: string) => ({
    type: "load",
    cpuPct: 1,
    memFreeMiB: 1,
    diskFreeMiB: 1,
    rttMs: 1,
    rif: 0,
    placements: [{ placementId, rif: 9, queued: 9, slots: 1, meanUs: 9, p95Us: 9, done: 0, failed: 9, rssMiB: 1 }],
  });
  const keyAgeMs = 1_800_000;
  const set = () => setUp({ more: { nodes: [other], placements }, keyAgeMs });

  it.each<[string, readonly string[], object | undefined, readonly number[]]>([
    ["in hello, of one that is older than its key: it has joined anew", ["p-old", "p-edge-a"], undefined, []],
    ["in hello, of one that is newer than its key", ["p-edge-a", "p-new"], undefined, [CLOSE.NOT_YOURS]],
    ["in a report, of one that hello named", ["p-old"], { type: "placement.status", ...ready("p-old") }, []],
    ["in a report, of another one", [], { type: "placement.status", ...ready("p-old") }, [CLOSE.NOT_YOURS]],
    ["in a load report, of one that hello named", ["p-old"], load("p-old"), []],
    ["in a load report, of another one", ["p-old"], load("p-new"), [CLOSE.NOT_YOURS]],
    ["not, but for its own", ["p-edge-a"], load("p-edge-a"), []],
    ["not, but for one that nobody knows", ["p-gone"], { type: "placement.status", ...ready("p-gone") }, []],
  ])("%s", async (_, named, message, closedWith) => {
    const { connect, fleet, reasons, audited } = await set();
    const before = fleet.snapshot().placements.get("p-new");
    const { channel, say } = await connect({ placements: named.map(ready) });
    if (message) say(message);
    expect(channel.closedWith).toEqual(closedWith);
    const isTold = closedWith.length > 0;
    expect(reasons().filter((reason) => reason === "ForeignPlacement")).toHaveLength(Number(isTold));
    expect(audited.map(({ action }) => action)).toEqual(isTold ? ["node.foreign-placement"] : []);
    expect(fleet.snapshot().placements.get("p-new")).toBe(before);
  });

  it("is announced once in five minutes", async () => {
    const { connect, clock, audited } = await set();
    const offend = async () => (await connect()).say({ type: "placement.status", ...ready("p-new") });
    for (let attempt = 0; attempt < 3; attempt += 1) await offend();
    expect(audited).toHaveLength(1);
    await clock.advance(300_000);
    await offend();
    expect(audited).toHaveLength(2);
  });
});

describe("what a node says it can do", () => {
  it("is recorded one after the other, and of those that come meanwhile the last", async () => {
    const { connect, sessions } = await setUp();
    const written: number[] = [];
    const answers: (() => void)[] = [];
    Object.assign(sessions, {
      changeCapabilities: async (_session: unknown, { memMiB }: { memMiB: number }) => {
        await new Promise<void>((resolve) => answers.push(resolve));
        written.push(memMiB);
        return true;
      },
    });
    const { say } = await connect();
    for (const memMiB of [1, 2, 3]) say({ type: "capabilities", capabilities: { ...node.capabilities, memMiB } });
    expect(answers).toHaveLength(1);
    answers[0]?.();
    await eventually(() => answers.length === 2);
    answers[1]?.();
    await eventually(() => written.length === 2);
    expect(written).toEqual([1, 3]);
  });
});

describe("a node that opens a session", () => {
  it("is welcomed with the epoch, the timings and the features that both sides have", async () => {
    const { connect, reasons } = await setUp();
    const { session } = await connect();
    expect(session.epoch).toBe(1);
    expect(session.welcome).toMatchObject({
      type: "welcome",
      heartbeatMs: 5_000,
      suspectMs: TIMINGS.suspectMs,
      lostMs: TIMINGS.lostMs,
      features: ["response-streams"],
    });
    expect(reasons()).toEqual(["NodeConnected"]);
  });

  it("learns where this very control plane is dialled when it is a cloud node, whose network it shares", async () => {
    const { session } = await (await setUp({ kind: "cloud" })).connect();
    expect(session.welcome.url).toBe("ws://10.0.0.7:7070");
    const { session: ofDevice } = await (await setUp({ kind: "edge" })).connect();
    expect(ofDevice.welcome.url).toBeUndefined();
  });

  it("is refused when its identity is void, and when this control plane is about to stop", async () => {
    const { connect, handler, sessions, registry } = await setUp();
    sessions.isRevoked = true;
    await expect(connect()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    sessions.isRevoked = false;
    handler.stop();
    await expect(connect()).rejects.toMatchObject({ code: "DRAINING" });
    expect(registry.all()).toEqual([]);
  });

  it("is refused while another process with its identity lives, which is an event once", async () => {
    const { connect, registry, reasons, audited, clock } = await setUp();
    const { channel } = await connect();
    channel.isAlive = true;
    const clones = [connect({ bootId: "b-2" }), connect({ bootId: "b-3" })];
    await Promise.all(clones.map((clone) => expect(clone).rejects.toMatchObject({ code: "CONFLICT" })));
    expect([registry.all().map(({ bootId }) => bootId), channel.closedWith]).toEqual([["b-1"], []]);
    expect(reasons()).toEqual(["NodeConnected", "IdentityConflict"]);
    expect(audited).toEqual([
      {
        actor: "node/edge-a",
        address: "10.0.0.7:1",
        action: "node.identity-conflict",
        target: "node/edge-a",
        detail: { nodeId: node.id, kept: "10.0.0.7:1" },
      },
    ]);
    expect(channel.sent.filter(({ type }) => type === "error")).toEqual([
      {
        type: "error",
        code: "IDENTITY_CONFLICT",
        detail: "a process at 10.0.0.7:1 has this identity too and is refused; was this folder copied?",
      },
    ]);
    channel.isAlive = false;
    const restarted = connect({ bootId: "b-4" });
    await clock.advance(5_000);
    await restarted;
    expect(registry.all().map(({ bootId }) => bootId)).toEqual(["b-4"]);
  });

  it("takes the place of its older session, whose end is then no event", async () => {
    const { connect, registry, reasons, sessions } = await setUp();
    const older = await connect();
    const newer = await connect();
    expect(older.channel.closedWith).toEqual([CLOSE.NEWER_SESSION]);
    older.session.onClosed();
    expect(registry.get(node.id)?.epoch).toBe(newer.session.epoch);
    expect(sessions.closed).toEqual([]);
    expect(reasons()).toEqual(["NodeConnected", "NodeConnected"]);
  });
});

describe("a session", () => {
  it("answers each heartbeat with the revision that the node should hold", async () => {
    const { connect } = await setUp();
    const { channel, say } = await connect();
    say({ type: "heartbeat", acked: 1, desiredRev: 0, digest: DIGEST });
    expect(channel.sent.find(({ type }) => type === "heartbeat.ack")).toMatchObject({ re: 2, desiredRev: 0 });
  });

  it("is ready after two heartbeats that prove that messages arrive in both directions", async () => {
    const { connect, state } = await setUp();
    const { channel, say } = await connect();
    const states = [state()];
    for (const isConfirmed of [true, false, true, true]) {
      const acked = isConfirmed ? channel.newestAck() : 0;
      say({ type: "heartbeat", acked, desiredRev: 0, digest: DIGEST });
      states.push(state());
    }
    expect(states).toEqual(["pending", "pending", "pending", "pending", "ready"]);
  });

  it("records the load that the node reports, with the time at which it came", async () => {
    const { connect, fleet, clock } = await setUp();
    const { say } = await connect();
    await clock.advance(2_000);
    say({ type: "load", cpuPct: 12, memFreeMiB: 100, diskFreeMiB: 200, rttMs: 3, rif: 0, placements: [] });
    expect(fleet.snapshot().nodes.get(node.id)?.load).toMatchObject({ cpuPct: 12, memFreeMiB: 100, at: NOW + 2_000 });
  });

  it("is closed by a second hello", async () => {
    const { connect } = await setUp();
    const { channel, say } = await connect();
    say(hello);
    expect(channel.closedWith).toEqual([CLOSE.INVALID_MESSAGE]);
  });

  it("attaches channels of its own epoch only", async () => {
    const { connect, handler, redeemed } = await setUp();
    await connect();
    const channel: InferenceChannel = { send: () => true, close: () => undefined, lastByteAt: () => NOW };
    expect(handler.openInference(node.id, 2, channel)).toBeNull();
    expect(handler.openTransfer(node.id, 2, "ticket")).toBeNull();
    expect(handler.openInference(node.id, 1, channel)).not.toBeNull();
    expect(handler.openTransfer(node.id, 1, "ticket")).not.toBeNull();
    expect(redeemed).toEqual(["ticket"]);
  });
});

describe("a session that ends", () => {
  it("takes its inference channel and its transfers with it, and is announced once", async () => {
    const { connect, handler, forgotten, sessions, reasons, registry } = await setUp();
    const { session } = await connect();
    const inference = new Channel();
    handler.openInference(node.id, 1, inference as never);
    session.onClosed();
    expect(inference.closedWith).toEqual([CLOSE.SESSION_ENDED]);
    expect([forgotten, sessions.closed, registry.all()]).toEqual([[1], [1], []]);
    expect(reasons()).toEqual(["NodeConnected", "NodeDisconnected"]);
  });

  it("is handed over without being closed, and its end is then no event", async () => {
    const { connect, handler, reasons } = await setUp();
    const { channel, session } = await connect();
    handler.handOver();
    await expect(connect()).rejects.toMatchObject({ code: "DRAINING" });
    expect([channel.sent.at(-1)?.type, channel.closedWith, handler.isHandedOver]).toEqual(["goaway", [], false]);
    session.onClosed();
    expect([reasons(), handler.isHandedOver]).toEqual([["NodeConnected"], true]);
  });

  it("puts its node in quarantine when it is the third in a row, and tells it", async () => {
    const { connect, events, fleet, sessions } = await setUp();
    for (let times = 0; times < 3; times += 1) (await connect()).session.onClosed();
    expect(events.at(-1)).toMatchObject({
      type: "Warning",
      reason: "NodeQuarantined",
      message: "edge-a gets no new replicas for 10 s: 3 disconnects",
    });
    expect(quarantineOf(fleet.snapshot().nodes.get(node.id) ?? node, NOW)).toEqual({
      until: NOW + 10_000,
      disconnects: 3,
    });
    expect(sessions.disconnects).toEqual([1, 2, 3]);
  });

  it("counts as a disconnect also when its node comes back before it is noticed", async () => {
    const { connect, fleet } = await setUp();
    for (let times = 0; times < 4; times += 1) await connect();
    expect(quarantineOf(fleet.snapshot().nodes.get(node.id) ?? node, NOW)?.disconnects).toBe(3);
  });

  it("is no disconnect when the control plane sent the node away", async () => {
    const { connect, handler, fleet, sessions } = await setUp();
    const { session } = await connect();
    handler.handOver();
    session.onClosed();
    expect(fleet.snapshot().nodes.get(node.id)?.session?.disconnects).toBeUndefined();
    expect(sessions.disconnects).toEqual([undefined]);
  });

  it("ends for all nodes at different times when the control plane stops", async () => {
    const { connect, handler } = await setUp();
    const { channel } = await connect();
    handler.stop();
    expect(channel.sent.find(({ type }) => type === "goaway")).toMatchObject({
      reason: "shutdown",
      reconnectMs: 5,
    });
    expect(channel.closedWith).toEqual([CLOSE.RESTART]);
  });
});
