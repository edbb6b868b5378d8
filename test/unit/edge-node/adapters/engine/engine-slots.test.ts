import { describe, expect, it } from "@jest/globals";
import { EngineSlots, type SlotShare } from "../../../../../edge-node/adapters/engine/engine-slots.ts";
import { PlacementQueue } from "../../../../../edge-node/app/placements/placement-queue.ts";
import { hostFailure } from "../../../../../edge-node/app/hosts/host-failure.ts";
import type { HostResponse, ModelHost } from "../../../../../edge-node/ports/model-hosts.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import { JSON_BODY } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const SLOTS = 2;

/** One model of an engine of two slots, with the queue of its requests, which end when the test says so. */
function model(share: SlotShare) {
  const running: ((error: unknown) => void)[] = [];
  const infer = async (): Promise<HostResponse> => {
    share.take();
    try {
      return await new Promise<HostResponse>((_, reject) => running.push(reject));
    } finally {
      share.give();
    }
  };
  const host: ModelHost = {
    inputs: [],
    outputs: [],
    loadMs: 1,
    warmUs: 50_000,
    measuredMiB: undefined,
    mayShare: undefined,
    slots: SLOTS,
    sharedSlots: share,
    noBatchReason: "by itself",
    exited: new Promise(() => undefined),
    rssMiB: () => 0,
    memory: () => ({ limitMiB: 0, privateMiB: 0 }),
    raiseMemory: async () => undefined,
    infer,
    stop: async () => undefined,
  };
  const limits = { queue: 64, timeoutMs: 10_000, maxBatch: 1 };
  const queue = new PlacementQueue({ placementId: "p", model: "m", version: "1", limits }, host, new TestClock());
  const ask = (): void =>
    void queue.submit({
      placementId: "p",
      body: new Uint8Array(0),
      headerLength: JSON_BODY,
      deadlineMs: 10_000,
      edgeOnly: false,
      priority: 0,
      cancellation: new Cancellation(),
    });
  const end = async (): Promise<void> => {
    running.shift()?.(hostFailure("HOST_CRASHED", "ended"));
    await settle();
  };
  return { ask, end, queue, running: () => running.length };
}

describe("the slots of an engine", () => {
  it("are shared by its models: together they never have more requests at it than it runs", async () => {
    const slots = new EngineSlots();
    const [a, b] = [model(slots.share()), model(slots.share())];
    for (let asked = 0; asked < 3; asked += 1) a.ask();
    b.ask();
    b.ask();
    expect([a.running(), b.running(), b.queue.queued]).toEqual([2, 0, 2]);
    await a.end();
    expect([a.running(), b.running()]).toEqual([1, 1]);
    await b.end();
    expect([a.running(), b.running()]).toEqual([2, 0]);
    await a.end();
    await a.end();
    await b.end();
    expect([a.queue.inFlight, b.queue.inFlight]).toEqual([0, 0]);
  });

  it("count as fewer where others have taken some", () => {
    const slots = new EngineSlots();
    const [share, other] = [slots.share(), slots.share()];
    const { queue } = model(share);
    other.take();
    expect(queue.slots).toBe(1);
    other.take();
    expect(queue.slots).toBe(1);
    other.leave();
    other.give();
    other.give();
    other.leave();
    expect(queue.slots).toBe(SLOTS);
  });
});
