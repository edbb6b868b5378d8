import { describe, expect, it } from "@jest/globals";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import { SessionWatch } from "../../../../../control-plane/app/node-sessions/session-watch.ts";
import type { SessionStore } from "../../../../../control-plane/ports/nodes/nodes.ts";
import { CLOSE } from "../../../../../shared/protocol/close-codes.ts";
import { INFERENCE_SILENCE_MS } from "../../../../../shared/protocol/limits.ts";
import { aNode, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { TestClock } from "../../../../support/test-clock.ts";

/** A channel that is heard when the test says so, and keeps the codes with which it was closed. */
class Channel {
  heardAt = NOW;
  readonly closedWith: number[] = [];
  send = (): never => {
    throw new Error("the watch sends nothing");
  };
  lastByteAt = (): number => this.heardAt;
  ping = (): void => undefined;
  close = (code: number): void => void this.closedWith.push(code);
}

async function watched(timings = TIMINGS) {
  const clock = new TestClock(NOW);
  const node = aNode("edge-a");
  const fleet = await fleetOf({ nodes: [node] }, clock);
  const registry = new SessionRegistry();
  const [control, inference] = [new Channel(), new Channel()];
  const session = aSession(node, { control, clock, fleet });
  session.attachInference(inference);
  registry.add(session);
  const { capabilities } = node;
  if (!capabilities) throw new Error("the node has no capabilities");
  const opened = { nodeId: node.id, epoch: 1, replica: "r-1", agentVersion: "0.1.0", capabilities, at: NOW };
  fleet.apply({ type: "session-opened", ...opened });
  const touched: string[] = [];
  const database = { isSlow: false, answer: (): void => undefined };
  const sessions: Pick<SessionStore, "touch"> = {
    touch: (_replica, due) => {
      touched.push(...due.map(({ isReady, ageMs }) => `${isReady ? "ready" : "not ready"}, heard ${ageMs} ms ago`));
      return database.isSlow ? new Promise((resolve) => (database.answer = resolve)) : Promise.resolve();
    },
  };
  const watch = new SessionWatch({
    replica: { id: "r-1", address: "a" },
    registry,
    fleet,
    sessions,
    timings,
    clock,
    isLifeRecorded: () => true,
  });
  watch.start();
  return { clock, control, inference, fleet, node, touched, database };
}

describe("the session watch", () => {
  it("records one after the other, so that what it recorded last is what is so", async () => {
    const { clock, control, fleet, node, touched, database } = await watched();
    control.heardAt = NOW + 2_000;
    await clock.advance(500);
    touched.length = 0;
    database.isSlow = true;
    const heartbeat = { type: "heartbeat-received", nodeId: node.id, epoch: 1, at: NOW } as const;
    for (let beat = 0; beat < 2; beat += 1) fleet.apply({ ...heartbeat, confirmation: "current" });
    await clock.advance(500);
    fleet.apply({ ...heartbeat, confirmation: "stale" });
    await clock.advance(1_000);
    expect(touched.map((each) => each.split(",")[0])).toEqual(["ready"]);
    database.isSlow = false;
    database.answer();
    await clock.advance(0);
    await clock.advance(500);
    expect(touched.map((each) => each.split(",")[0])).toEqual(["ready", "not ready"]);
  });

  it("closes both channels of a node as soon as it is suspected, so that its requests go elsewhere", async () => {
    const { clock, control, inference } = await watched({ suspectMs: 3_000, lostMs: 60_000 });
    await clock.advance(3_000);
    expect([control.closedWith, inference.closedWith]).toEqual([[], []]);
    await clock.advance(500);
    expect([control.closedWith, inference.closedWith]).toEqual([[CLOSE.TOO_SLOW], [CLOSE.TOO_SLOW]]);
  });

  it("closes an inference channel that alone is silent, and leaves the node its session", async () => {
    const { clock, control, inference } = await watched();
    for (let waitedMs = 0; waitedMs <= INFERENCE_SILENCE_MS; waitedMs += 1_000) {
      control.heardAt = clock.now();
      await clock.advance(1_000);
    }
    expect(control.closedWith).toEqual([]);
    expect(inference.closedWith).not.toEqual([]);
  });

  it("counts bytes of either channel as a sign of life", async () => {
    const { clock, control, inference, fleet, node } = await watched();
    await clock.advance(10_000);
    inference.heardAt = clock.now();
    await clock.advance(10_000);
    expect(control.closedWith).toEqual([]);
    expect(fleet.snapshot().nodes.get(node.id)?.observed?.lastSeen).toBe(NOW + 10_000);
  });

  it("knows a node for as long as a byte comes now and then on either channel, and closes nothing", async () => {
    const { clock, control, inference, fleet, node } = await watched();
    for (let turn = 0; turn < 20; turn += 1) {
      await clock.advance(7_000);
      (turn % 2 === 0 ? control : inference).heardAt = clock.now();
      const lastSeen = fleet.snapshot().nodes.get(node.id)?.observed?.lastSeen ?? 0;
      expect(clock.now() - lastSeen).toBeLessThan(TIMINGS.suspectMs);
    }
    expect([control.closedWith, inference.closedWith]).toEqual([[], []]);
  });

  it("records within half a second that a node has turned, and how long ago it was heard", async () => {
    const { clock, control, fleet, node, touched } = await watched();
    await clock.advance(500);
    expect(touched).toEqual(["not ready, heard 500 ms ago"]);
    for (const at of [NOW + 600, NOW + 700]) {
      control.heardAt = at;
      fleet.apply({ type: "heartbeat-received", nodeId: node.id, epoch: 1, confirmation: "current", at });
    }
    await clock.advance(500);
    expect(touched.slice(1)).toEqual(["ready, heard 300 ms ago"]);
    await clock.advance(4_000);
    expect(touched).toHaveLength(2);
  });
});
