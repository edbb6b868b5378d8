import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { MAX_PLACEMENTS_PER_NODE } from "../../../shared/protocol/limits.ts";
import { anArtifact, randomBytesOf } from "../../support/models/artifact-fixture.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeControlPlane } from "../../support/fakes/fake-control-plane.ts";
import type { FakeNodeSession } from "../../support/fakes/fake-node-session.ts";
import { aDesired, removeStateDir, TestAgent } from "../../support/test-agent.ts";

const KIB = 1_024;
const MIB = 1_024 * KIB;

const v1 = anArtifact(randomBytesOf(3 * MIB, 1));
const v2 = anArtifact(randomBytesOf(2 * MIB, 2), { version: "2" });

let controlPlane: FakeControlPlane;
let node: TestAgent;
let stateDir: string;

beforeEach(async () => {
  controlPlane = await FakeControlPlane.start();
  for (const fixture of [v1, v2]) controlPlane.add(fixture);
  node = await TestAgent.start(controlPlane);
  stateDir = node.stateDir;
});

afterEach(async () => {
  await node.stop();
  await controlPlane.stop();
  await removeStateDir(stateDir);
});

const session = (): Promise<FakeNodeSession> => eventually("a session", () => controlPlane.session);

const whenState = (placementId: string, state: string): Promise<FakeNodeSession> =>
  eventually(`${placementId} is ${state}`, () => {
    const { session: present } = controlPlane;
    return present?.reports.get(placementId)?.state === state ? present : undefined;
  });

describe("Agent", () => {
  it("joins, says hello with a signature that holds, and beats twice and once more", async () => {
    const present = await session();
    expect(controlPlane.joins).toBe(1);
    expect(present.hello).toMatchObject({ nodeId: "n-1", desired: { rev: 0 }, placements: [] });
    expect(present.hello.capabilities).toMatchObject({ maxOpset: 26, maxIrVersion: 13, providers: ["cpu"] });
    expect(present.hello.capabilities.runtime).toMatch(/^onnxruntime \d+\.\d+/);
    await eventually("a third heartbeat", () => present.confirmedHeartbeats.length >= 3);
    expect(present.confirmedHeartbeats).toEqual([true, true, true]);
    // The load is said every second, so a slow answer to the first heartbeat has more of them behind it.
    expect(present.received.map(({ type }) => type).slice(0, 2)).toEqual(["heartbeat", "load"]);
    expect(present.of("load")[0]?.diskFreeMiB).toBeGreaterThan(0);
  });

  it("says what it can do again when that has changed, to a control plane that takes it", async () => {
    const present = await session();
    expect(present.hello.capabilities.engines).toBeUndefined();
    node.engines = [{ api: "openai", models: ["m"] }];
    await node.agent.capabilitiesChanged();
    await eventually("they have arrived", () => present.of("capabilities").length === 1);
    expect(present.of("capabilities")[0]?.capabilities).toMatchObject({ engines: node.engines });
    present.terminate();
    const next = await eventually("another session", () =>
      controlPlane.session === present ? undefined : controlPlane.session,
    );
    expect(next.hello.capabilities.engines).toEqual(node.engines);
  });

  it("opens the channel for its models before the heartbeat that makes it ready again", async () => {
    (await session()).snapshot({ cordoned: false, placements: [aDesired("p-1", v1)] });
    const first = await whenState("p-1", "ready");
    const channels: number[] = [];
    controlPlane.onSession = (present) => {
      present.onHeartbeat = () => channels.push(present.inferencesOpened);
    };
    first.terminate();
    await eventually("two heartbeats of another session", () => channels.length >= 2);
    expect(channels.slice(0, 2)).toEqual([0, 1]);
  });

  it("acknowledges what is desired, fetches it, serves it and answers a request", async () => {
    const present = await session();
    present.snapshot({ cordoned: false, placements: [aDesired("p-1", v1)] });
    await whenState("p-1", "ready");
    expect(present.of("desired.ack").at(-1)).toMatchObject({ rev: present.desired.rev });
    expect(present.of("transfer.done")).toMatchObject([{ received: 3 * MIB, reused: 0 }]);
    const states = present.of("placement.status").map(({ state }) => state);
    expect(states.filter((state, index) => state !== states[index - 1])).toEqual([
      "offered",
      "downloading",
      "verifying",
      "staged",
      "warming",
      "ready",
    ]);
    await eventually("an inference channel", () => present.inference);
    const body = randomBytesOf(200 * KIB, 3);
    const response = await present.infer("p-1", body);
    expect(response).toMatchObject({ status: 200, wasNotExecuted: false, bodyLength: 200 * KIB });
    expect(Buffer.from(response.body).equals(body)).toBe(true);
    expect(await present.infer("p-none", body)).toMatchObject({ status: 404, wasNotExecuted: true });
  });

  it("takes as many models at once as a node may hold, and is not taken for a flood", async () => {
    const fixtures = Array.from({ length: MAX_PLACEMENTS_PER_NODE }, (_, index) =>
      anArtifact(randomBytesOf(KIB, 100 + index), { model: `m-${index}` }),
    );
    for (const fixture of fixtures) controlPlane.add(fixture);
    const present = await session();
    const desired = fixtures.map((fixture, index) => aDesired(`p-${index}`, fixture));
    // One after the other, as from an operator's script: each is answered.
    for (const index of desired.keys()) present.delta(desired.slice(0, index + 1));
    const isReady = ({ placementId }: { placementId: string }): boolean =>
      present.reports.get(placementId)?.state === "ready";
    await eventually("all are ready, and reported so", () => desired.every(isReady), 90_000);
    expect(controlPlane.sessions).toHaveLength(1);
    expect(present.isOpen).toBe(true);
  }, 120_000);

  it("keeps the old version serving until the new one is ready, and takes only the new bytes", async () => {
    const present = await session();
    present.snapshot({ cordoned: false, placements: [aDesired("p-1", v1)] });
    await whenState("p-1", "ready");
    node.hosts.held.add("p-2");
    present.delta([aDesired("p-2", v2)]);
    await eventually("the new host starts", () => node.hosts.diary.includes("start p-2"));
    expect(node.ready).toEqual(["p-1"]);
    expect(node.hosts.running("p-1")).toBeDefined();
    node.hosts.release("p-2");
    await whenState("p-2", "ready");
    await whenState("p-1", "gone");
    expect(node.ready).toEqual(["p-2"]);
  });

  it("asks for a snapshot when a delta does not continue what it has", async () => {
    const present = await session();
    present.desired = { rev: 5, state: { cordoned: false, placements: [] } };
    present.delta([aDesired("p-1", v1)]);
    await whenState("p-1", "ready");
    expect(present.of("desired.get")).toHaveLength(1);
    expect(present.of("desired.ack").at(-1)).toMatchObject({ rev: 6 });
  });

  it("goes on where a transfer was cut, twice, and finds its way through a damaged chunk", async () => {
    const fixture = anArtifact(randomBytesOf(24 * MIB, 4));
    controlPlane.add(fixture);
    let hits = 0;
    controlPlane.pushRules.push(
      { cutAfterBytes: 7 * MIB },
      { cutAfterBytes: 9 * MIB },
      {
        damage: (chunk, payload) => {
          if (chunk !== fixture.chunks.length - 2 || hits > 0) return;
          hits += 1;
          payload[0] = (payload[0] ?? 0) ^ 1;
        },
      },
    );
    const present = await session();
    present.snapshot({ cordoned: false, placements: [aDesired("p-1", fixture)] });
    await whenState("p-1", "ready");
    expect(hits).toBe(1);
    expect(controlPlane.pushes).toHaveLength(3);
    expect(present.of("transfer.resume")).toMatchObject([{ retryMs: 0 }, { retryMs: 0 }]);
    const damagedBytes = fixture.chunks.at(-2)?.length ?? 0;
    const sent = controlPlane.pushes.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
    // What was under way when the socket died is sent again: at most a window each time.
    expect(sent - damagedBytes).toBeLessThanOrEqual(24 * MIB + 2 * 4 * MIB);
    for (const [index, push] of controlPlane.pushes.slice(1).entries())
      expect(push.needs[0]?.partial !== undefined || push.needs[0] !== undefined).toBe(index >= 0);
    const done = present.of("transfer.done")[0];
    expect((done?.received ?? 0) + (done?.reused ?? 0)).toBe(24 * MIB + damagedBytes);
  });

  it("asks for a pause after a transfer that brought nothing", async () => {
    controlPlane.pushRules.push({ refuses: true });
    const present = await session();
    present.snapshot({ cordoned: false, placements: [aDesired("p-1", v1)] });
    await whenState("p-1", "ready");
    const resumes = present.of("transfer.resume");
    expect(resumes).toHaveLength(1);
    expect(resumes[0]?.retryMs).toBeGreaterThan(0);
  });

  it("reports a transfer that it cancelled, so that others may start", async () => {
    const fixtures = [11, 12, 13, 14, 15].map((seed) => anArtifact(randomBytesOf(MIB, seed)));
    for (const fixture of fixtures) controlPlane.add(fixture);
    const desired = fixtures.map((fixture, index) => aDesired(`p-${index}`, fixture));
    controlPlane.pushRules.push({ stalls: true });
    const present = await session();
    present.snapshot({ cordoned: false, placements: desired.slice(0, 4) });
    await eventually("the first transfer has begun", () => controlPlane.pushes[0]?.needs.length === 1);
    // More leave than are kept for a way back, so nobody wants the first one's bytes any more.
    present.delta(desired.slice(4));
    await whenState("p-4", "ready");
    expect(present.of("transfer.resume")).toMatchObject([{ transferId: "t-1", retryMs: 0 }]);
    expect(controlPlane.sessions).toHaveLength(1);
  });

  it("serves with the control plane away, also after a restart, and comes back by itself", async () => {
    const present = await session();
    present.snapshot({ cordoned: false, placements: [aDesired("p-1", v1)] });
    await whenState("p-1", "ready");
    const { port } = controlPlane;
    await controlPlane.stop();
    await node.stop();
    node = await TestAgent.start(controlPlane, stateDir);
    expect(node.ready).toEqual(["p-1"]);

    const { publicKey } = controlPlane;
    controlPlane = await FakeControlPlane.start(port);
    controlPlane.publicKey = publicKey;
    const again = await session();
    expect(again.hello.lastEpoch).toBe(present.epoch);
    expect(again.epoch).toBeGreaterThan(present.epoch);
    expect(again.hello).toMatchObject({ desired: { rev: 1 }, placements: [{ placementId: "p-1", state: "ready" }] });
  });

  it("restarts a model host that crashed and reports why, and stops after the third crash", async () => {
    const present = await session();
    present.snapshot({ cordoned: false, placements: [aDesired("p-1", v1)] });
    await whenState("p-1", "ready");
    for (const crash of [1, 2]) {
      node.hosts.running("p-1")?.crash();
      await eventually("a restart", () => node.hosts.started.length === crash + 1 && node.ready.includes("p-1"));
    }
    node.hosts.running("p-1")?.crash();
    await whenState("p-1", "failed");
    expect(present.reports.get("p-1")).toMatchObject({ code: "HOST_CRASHED", detail: "signal SIGSEGV" });
    await eventually("log lines", () => present.of("log").flatMap(({ lines }) => lines).length >= 3);

    present.delta([aDesired("p-1", v1, { generation: 2 })]);
    await whenState("p-1", "ready");
    expect(present.reports.get("p-1")).toMatchObject({ generation: 2 });
  });

  it("reports why runs are shared, and at once when they are not any more", async () => {
    const present = await session();
    const { limits, ...placement } = aDesired("p-1", v1);
    const placements = [{ ...placement, limits: { ...limits, rowsAreIndependent: true } }];
    present.snapshot({ cordoned: false, placements });
    await whenState("p-1", "ready");
    const sharing = () => controlPlane.session?.reports.get("p-1")?.sharing;
    expect(sharing()).toEqual({
      isShared: true,
      reason: "the deployment declares that rows are independent (limits.rowsAreIndependent)",
    });
    const [host] = node.hosts.started;
    if (!host) throw new Error("no host");
    host.noBatchReason = 'output "y" of a request differed from its answer alone';
    host.spec.onSharingStopped?.(host.noBatchReason);
    await eventually("the reason", () => sharing()?.isShared === false);
    expect(sharing()?.reason).toBe(host.noBatchReason);
  });

  it("fails a placement whose model the runtime cannot run, before a chunk travels", async () => {
    const future = anArtifact(randomBytesOf(MIB, 5), { opsets: { "": 99 } });
    controlPlane.add(future);
    (await session()).snapshot({ cordoned: false, placements: [aDesired("p-1", future)] });
    const present = await whenState("p-1", "failed");
    expect(present.reports.get("p-1")).toMatchObject({ code: "INCOMPATIBLE" });
    expect(controlPlane.pushes[0]?.sentBytes).toBe(0);
  });

  it("opens a new session before it leaves one that says goaway, and keeps serving", async () => {
    const first = await session();
    first.snapshot({ cordoned: false, placements: [aDesired("p-1", v1)] });
    await whenState("p-1", "ready");
    first.send({ type: "goaway", reason: "rebalance", reconnectMs: 20 });
    await eventually("a second session", () => controlPlane.sessions.length === 2);
    const second = await session();
    expect(second.hello.placements).toMatchObject([{ placementId: "p-1", state: "ready" }]);
    await eventually("an inference channel", () => second.inference);
    expect(await second.infer("p-1", new Uint8Array([1]))).toMatchObject({ status: 200 });
  });

  it("knows that it has no session when the one that sent it away closes before another takes over", async () => {
    const first = await session();
    controlPlane.refuseUpgrades = [503];
    first.send({ type: "goaway", reason: "shutdown", reconnectMs: 1 });
    await eventually("a dial has failed", () => node.agent.status().link.lastFault !== undefined);
    expect(node.agent.isConnected).toBe(true);
    first.terminate();
    await eventually("it has none", () => !node.agent.isConnected);
    controlPlane.refuseUpgrades = undefined;
    await eventually("another one", () => node.agent.isConnected && controlPlane.sessions.length === 2);
  });

  it("closes 4400 on broken JSON, ignores a type it does not know, and dials again", async () => {
    const first = await session();
    first.sendRaw(JSON.stringify({ type: "from.the.future", id: 9 }));
    first.sendRaw("{");
    await eventually("a second session", () => controlPlane.sessions.length === 2 && controlPlane.session);
    expect(first.isOpen).toBe(false);
  });

  it("terminates a session that falls silent and opens another", async () => {
    const first = await session();
    first.terminate();
    controlPlane.timings.suspectMs = 1_500;
    controlPlane.timings.heartbeatMs = 300;
    const second = await eventually("another session", () => controlPlane.session !== first && controlPlane.session);
    second.freeze();
    // Not counted: on a busy machine a session of these times may end without being frozen.
    await eventually("one after it", () => controlPlane.sessions.at(-1) !== second);
    expect(second.isOpen).toBe(false);
  });

  it("releases a placement that is dropped, and deletes what nothing needs", async () => {
    const present = await session();
    present.snapshot({ cordoned: false, placements: [aDesired("p-1", v1, { want: "hold" })] });
    await whenState("p-1", "staged");
    expect(node.hosts.started).toHaveLength(0);
    present.delta([aDesired("p-1", v1)]);
    await whenState("p-1", "ready");
    present.delta([]);
    await whenState("p-1", "gone");
    expect(node.hosts.running("p-1")).toBeUndefined();
    await eventually("no inference channel", () => present.inference === undefined);
    expect([...(await node.disk.complete())]).toEqual([v1.artifact]); // kept for a way back
  });

  it("takes a queue's first offer only, and refuses what nothing waits for", async () => {
    const present = await session();
    controlPlane.offer(present, v2.artifact, ["p-9"]);
    await eventually("a refusal", () => present.of("transfer.reject")[0]);
    expect(present.of("transfer.reject")).toMatchObject([{ code: "STALE" }]);
  });
});
