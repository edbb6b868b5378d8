import { describe, expect, it } from "@jest/globals";
import { StatusWriter } from "../../../../../control-plane/app/kubernetes/status-writer.ts";
import type { ResourceEvent } from "../../../../../control-plane/ports/cloud/custom-resources.ts";
import type { Resource, ResourceCondition } from "../../../../../shared/api/v1alpha1/resource.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const resource = (name: string): Resource => ({
  metadata: { name, namespace: "skerry", uid: `uid-${name}`, resourceVersion: "1", generation: 1, finalizers: [] },
});
const ready = (status: "True" | "False"): ResourceCondition => ({
  type: "Ready",
  status,
  reason: "Tested",
  message: `ready is ${status}`,
  observedGeneration: 1,
  lastTransitionTime: "2026-01-01T00:00:00.000Z",
});
const before = { conditions: [ready("False")] };
const status = { conditions: [ready("True")] };

function rig() {
  const clock = new TestClock();
  const writes: string[] = [];
  const events: ResourceEvent[] = [];
  const rival = { holds: false };
  const shown = { status: before };
  const writer = new StatusWriter("ModelDeployment", {
    cluster: {
      writeStatus: async (_kind, of, _status, { isForced }) => {
        if (rival.holds && !isForced) return { conflict: 'conflict with "audit": .status.activeVersion' };
        writes.push(`${of.metadata.name} ${isForced ? "forced" : "written"}`);
        return of;
      },
      record: async (_kind, _of, event) => void events.push(event),
    },
    clock,
    statusIn: () => shown.status,
  });
  const put: string[] = [];
  const resources = { put: ({ metadata }: Resource): void => void put.push(metadata.name) };
  const write = (name = "a") => writer.write(resource(name), status, resources);
  return { clock, writes, events, rival, shown, put, write };
}

describe("a status", () => {
  it("is written when it is another one, with its events", async () => {
    const { writes, events, shown, put, write } = rig();
    shown.status = status;
    expect(await write()).toBe("done");
    expect(writes).toEqual([]);
    shown.status = before;
    expect(await write()).toBe("done");
    expect([writes, put]).toEqual([["a written"], ["a"]]);
    expect(events).toEqual([{ type: "Normal", reason: "Ready", message: "ready is True" }]);
  });

  it("is taken back from another field manager, with an event", async () => {
    const { writes, events, rival, write } = rig();
    rival.holds = true;
    expect(await write()).toBe("done");
    expect(writes).toEqual(["a forced"]);
    expect(events[0]).toEqual({
      type: "Warning",
      reason: "StatusConflict",
      message: 'conflict with "audit": .status.activeVersion; the status is Skerry\'s, and is taken back',
    });
  });

  it("is taken back ever later from one that insists, and other objects are not kept waiting", async () => {
    const { clock, writes, rival, write } = rig();
    rival.holds = true;
    const takenAt: number[] = [];
    for (let second = 0; second <= 3_600; second += 1) {
      const { length } = writes;
      const outcome = await write();
      expect(outcome).toBe(writes.length > length ? "done" : "again");
      if (writes.length > length) takenAt.push(second);
      await clock.advance(1_000);
    }
    expect(takenAt).toEqual([0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430, 3_030]);
    expect(await write("b")).toBe("done");
  });

  it("is written at once when it changes, however often another manager held it before", async () => {
    const { clock, writes, rival, write } = rig();
    rival.holds = true;
    for (const ms of [10_000, 20_000, 1_000]) {
      await write();
      await clock.advance(ms);
    }
    rival.holds = false;
    expect(await write()).toBe("done");
    expect(writes).toEqual(["a forced", "a forced", "a forced", "a written"]);
  });

  it("is taken back at once from one that left it alone for long", async () => {
    const { clock, writes, rival, write } = rig();
    rival.holds = true;
    await write();
    await clock.advance(10_000);
    await write();
    await clock.advance(3_600_000);
    await write();
    await clock.advance(10_000);
    await write();
    expect(writes).toHaveLength(4);
  });
});
