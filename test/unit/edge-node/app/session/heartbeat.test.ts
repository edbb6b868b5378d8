import { beforeEach, describe, expect, it } from "@jest/globals";
import { Heartbeat } from "../../../../../edge-node/app/session/heartbeat.ts";
import type { ControlChannel } from "../../../../../edge-node/ports/channels.ts";
import { EMPTY_DESIRED, desiredDigest } from "../../../../../shared/protocol/desired.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const WELCOME_ID = 2;
const HEARTBEAT_MS = 5_000;

let clock: TestClock;
/** The ack that each beat named, and when it came, in ms since the start. */
let beats: { readonly acked: number; readonly at: number }[];
let becomesFit: PromiseWithResolvers<void>;
let proven: number;
let heartbeat: Heartbeat;

beforeEach(() => {
  clock = new TestClock(0);
  beats = [];
  proven = 0;
  becomesFit = Promise.withResolvers();
  const channel = {
    welcome: { id: WELCOME_ID, heartbeatMs: HEARTBEAT_MS },
    send: (message: { readonly acked: number }) => 100 + beats.push({ acked: message.acked, at: clock.now() }),
  } as unknown as ControlChannel;
  heartbeat = new Heartbeat({
    channel,
    clock,
    random: { ...seededRandom(1), next: () => 0 },
    telemetry: { heartbeatAnswered: () => undefined },
    desired: () => ({ rev: 0, digest: desiredDigest(EMPTY_DESIRED) }),
    beforeReady: () => becomesFit.promise,
    onProven: () => (proven += 1),
  });
  heartbeat.start();
});

/** Answers the newest beat after `rttMs`. */
async function answer(rttMs: number): Promise<void> {
  const re = 100 + beats.length;
  await clock.advance(rttMs);
  heartbeat.onAck({ type: "heartbeat.ack", id: 10 * beats.length, re, desiredRev: 0 });
  await settle();
}

describe("Heartbeat", () => {
  it("beats a second time when the first beat was answered and the node is fit to serve, a third time a second after the second was answered", async () => {
    await answer(40);
    expect(beats).toEqual([{ acked: WELCOME_ID, at: 0 }]);
    await clock.advance(20);
    becomesFit.resolve();
    await settle();
    expect(beats.at(-1)).toEqual({ acked: 10, at: 60 });
    await answer(40);
    await clock.advance(1_000);
    expect(beats.at(-1)).toEqual({ acked: 20, at: 1_100 });
    await clock.advance(HEARTBEAT_MS);
    expect(beats).toHaveLength(4);
  });

  it("calls a session proven only when it has stood for a second", async () => {
    becomesFit.resolve();
    await answer(40);
    await answer(40);
    expect(proven).toBe(0);
    await clock.advance(1_000);
    await answer(40);
    expect(proven).toBe(1);
    await clock.advance(HEARTBEAT_MS);
    await answer(40);
    expect(proven).toBe(1);
  });

  it("beats after a second although the node is not fit, and then never again before that is answered", async () => {
    await answer(40);
    await clock.advance(960);
    expect(beats.at(-1)).toEqual({ acked: 10, at: 1_000 });
    becomesFit.resolve();
    await settle();
    expect(beats).toHaveLength(2);
    await answer(40);
    expect(beats).toHaveLength(2);
  });

  it("waits for the answer that makes the node ready, however late it comes, before it beats again", async () => {
    becomesFit.resolve();
    await answer(40);
    await answer(3_000);
    expect(beats).toHaveLength(2);
    await clock.advance(1_000);
    expect(beats.at(-1)).toEqual({ acked: 20, at: 4_040 });
  });

  it("takes the median of the newest round trips, so that a slow one among them changes nothing", async () => {
    expect(heartbeat.rttMs).toBe(0);
    becomesFit.resolve();
    const measured: number[] = [];
    for (const rttMs of [40, 44, 400, 41, 42, 43, 90, 91, 92]) {
      await answer(rttMs);
      measured.push(heartbeat.rttMs);
      // The third beat comes a second after the second answer, later ones with the interval.
      if (measured.length > 1) await clock.advance(measured.length === 2 ? 1_000 : HEARTBEAT_MS - rttMs);
    }
    expect(measured).toEqual([40, 40, 44, 41, 42, 43, 43, 43, 90]);
  });

  it("says no more though the answer that makes the node ready comes after it was stopped", async () => {
    becomesFit.resolve();
    await answer(40);
    heartbeat.stop();
    await answer(40);
    await clock.advance(2 * HEARTBEAT_MS);
    expect(beats).toHaveLength(2);
  });

  it("says no more once it was stopped", async () => {
    await answer(40);
    heartbeat.stop();
    becomesFit.resolve();
    await clock.advance(2 * HEARTBEAT_MS);
    expect(beats).toHaveLength(1);
  });
});
