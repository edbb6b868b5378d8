import { describe, expect, it } from "@jest/globals";
import { LoadReports } from "../../../../../edge-node/app/session/load-reports.ts";
import type { ControlChannel } from "../../../../../edge-node/ports/channels.ts";
import type { PlacementLoad, StreamReport } from "../../../../../shared/protocol/messages/load-report.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const aLoad = (over: Partial<PlacementLoad> = {}): PlacementLoad => ({
  placementId: "p-1",
  rif: 0,
  queued: 0,
  slots: 1,
  meanUs: 0,
  p95Us: 0,
  done: 0,
  failed: 0,
  rssMiB: 0,
  ...over,
});

async function reporting(isServing: boolean) {
  const clock = new TestClock();
  const sent: string[] = [];
  const channel: ControlChannel = {
    welcome: {
      type: "welcome",
      id: 1,
      heartbeatMs: 5_000,
      loadMs: 1_000,
      suspectMs: 15_000,
      lostMs: 60_000,
      desiredRev: 0,
      replica: "r-1",
      features: [],
    },
    closed: new Promise(() => undefined),
    send: ({ type }) => sent.push(type),
    waitMs: () => 0,
    close: () => undefined,
    lastByteAt: () => 0,
  };
  const work = { rif: 0, placements: [aLoad()] };
  const machine = { cpuPct: 1, diskFreeMiB: 100 };
  const streams: StreamReport[] = [];
  const reports = new LoadReports({
    channel,
    clock,
    probe: {
      capabilities: () => Promise.reject(new Error("not asked")),
      cpuPct: () => machine.cpuPct,
      memFreeMiB: () => 1,
    },
    disk: { freeMiB: () => Promise.resolve(machine.diskFreeMiB) },
    serving: { load: () => work },
    isServing: () => isServing,
    rttMs: () => 1,
    streams: () => streams,
  });
  await reports.start();
  /** Reports within the next `ms`. */
  const during = async (ms: number): Promise<number> => {
    const before = sent.length;
    await clock.advance(ms);
    return sent.length - before;
  };
  return { reports, work, machine, streams, during };
}

describe("load reports", () => {
  it.each([[true], [false]])(
    "come twice a minute from a node where nothing happens (it serves: %s)",
    async (isServing) => {
      const { reports, during } = await reporting(isServing);
      expect(await during(60_000)).toBe(2);
      reports.stop();
    },
  );

  it.each([[true], [false]])(
    "come with a heartbeat's interval when a figure of an idle node has changed (it serves: %s)",
    async (isServing) => {
      const { reports, machine, during } = await reporting(isServing);
      machine.cpuPct = 50;
      expect(await during(5_000)).toBe(1);
      expect(await during(20_000)).toBe(0);
      machine.diskFreeMiB = 50;
      expect(await during(10_000)).toBe(1);
      reports.stop();
    },
  );

  it("come with a heartbeat's interval when the counts of a stream have changed", async () => {
    const { reports, streams, during } = await reporting(true);
    const counts = { produced: 1, delivered: 0, deduplicated: 0, expired: 0, dropped: 0, waiting: 1, waitingBytes: 9 };
    streams.push({ deployment: "same", name: "press", state: "waiting", ...counts });
    expect(await during(5_000)).toBe(1);
    expect(await during(20_000)).toBe(0);
    reports.stop();
  });

  it("come each second while requests come or wait, and once more after them", async () => {
    const { reports, work, during } = await reporting(true);
    for (let done = 1; done <= 10; done += 1) {
      work.placements = [aLoad({ done })];
      expect(await during(1_000)).toBe(1);
    }
    work.rif = 1;
    expect(await during(10_000)).toBe(10);
    work.rif = 0;
    work.placements = [aLoad({ done: 11 })];
    expect(await during(2_000)).toBe(1);
    reports.stop();
  });

  it("come within a second when a placement has come or gone", async () => {
    const { reports, work, during } = await reporting(true);
    work.placements = [aLoad(), aLoad({ placementId: "p-2" })];
    expect(await during(1_000)).toBe(1);
    work.placements = [];
    expect(await during(1_000)).toBe(1);
    reports.stop();
  });

  it("come within a second when a placement got other slots", async () => {
    const { reports, work, during } = await reporting(true);
    work.placements = [aLoad({ slots: 2 })];
    expect(await during(1_000)).toBe(1);
    reports.stop();
  });
});
