import { describe, expect, it } from "@jest/globals";
import { FleetCache } from "../../../../../control-plane/app/fleet/fleet-cache.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import type { FleetKeys } from "../../../../../control-plane/core/fleet/changes/fleet-keys.ts";
import type { FleetRows } from "../../../../../control-plane/core/fleet/types.ts";
import type { OnChange } from "../../../../../control-plane/ports/plan.ts";
import { aFleetSession, aNode } from "../../../../support/fleet/fleet-builder.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

/** A holder over a Postgres whose every read finds one node more. `during` is called while the first is under way. */
function holderOfGrowing(during: (holder: FleetCache) => void = () => undefined): FleetCache {
  let reads = 0;
  const load = (): Promise<FleetRows> => {
    reads += 1;
    if (reads === 1) during(holder);
    const nodes = Array.from({ length: reads }, (_, index) => aNode(`n-${index}`));
    return Promise.resolve({ nodes, deployments: [], versions: [], aliases: [], placements: [] });
  };
  const notifier = { listen: () => Promise.resolve(), stop: () => Promise.resolve() };
  const holder = new FleetCache({
    replica: "r-1",
    store: { load, liveness: async () => [] },
    notifier,
    clock: new TestClock(),
    random: seededRandom(1),
    logger: silentLogger,
  });
  return holder;
}

const sizeOf = (holder: FleetCache): number => holder.snapshot().nodes.size;

describe("refresh", () => {
  it("reads once for all who ask at the same time", async () => {
    const holder = holderOfGrowing();
    await Promise.all([holder.refresh(), holder.refresh(), holder.refresh()]);
    expect(sizeOf(holder)).toBe(1);
    await holder.stop();
  });

  it("reads once more, not twice, for two who ask while a read is under way", async () => {
    const asked: Promise<void>[] = [];
    const holder = holderOfGrowing((during) => asked.push(during.refresh(), during.refresh()));
    await holder.refresh();
    await Promise.all(asked);
    expect(sizeOf(holder)).toBe(2);
    await holder.stop();
  });

  it("reads again for a caller that asks in the moment in which a read ends", async () => {
    const holder = holderOfGrowing();
    const asked = new Promise<number>((resolve) => {
      let isFirst = true;
      holder.onChange(() => {
        if (!isFirst) return;
        isFirst = false;
        // Behind the end of the read, before its promise has told.
        queueMicrotask(() => void holder.refresh().then(() => resolve(sizeOf(holder))));
      });
    });
    await holder.refresh();
    expect(await asked).toBe(2);
    await holder.stop();
  });

  it("resolves when the holder is stopped meanwhile, and after that", async () => {
    const stopped: Promise<void>[] = [];
    const holder = holderOfGrowing((during) => stopped.push(during.stop()));
    await holder.refresh();
    await Promise.all(stopped);
    await holder.refresh();
    expect(sizeOf(holder)).toBe(1);
  });
});

describe("a notification", () => {
  /** A holder that was loaded, what it reads from then on, and a way to notify it. */
  async function listening() {
    const reads: (FleetKeys | "all")[] = [];
    let notify: OnChange = () => undefined;
    let isAway = false;
    const clock = new TestClock();
    const holder = new FleetCache({
      replica: "r-1",
      store: {
        load: (_now, keys) => {
          reads.push(keys ?? "all");
          if (isAway) return Promise.reject(new Error("away"));
          return Promise.resolve({ nodes: [], deployments: [], versions: [], aliases: [], placements: [] });
        },
        liveness: async () => [],
      },
      notifier: {
        listen: (onChange) => {
          notify = onChange;
          return Promise.resolve();
        },
        stop: () => Promise.resolve(),
      },
      clock,
      random: seededRandom(1),
      logger: silentLogger,
    });
    await holder.start();
    reads.length = 0;
    return {
      clock,
      holder,
      reads,
      notify: (keys?: FleetKeys) => notify("fleet", keys),
      goAway: () => void (isAway = true),
      comeBack: () => void (isAway = false),
    };
  }

  it("leads to a read of what it names, and several to one read of all that they name", async () => {
    const { holder, reads, notify } = await listening();
    notify({ nodes: ["n-1"] });
    notify({ nodes: ["n-1", "n-2"], deployments: ["digits"] });
    await holder.refresh({ models: ["digits"] });
    expect(reads).toEqual([{ nodes: ["n-1", "n-2"], deployments: ["digits"], models: ["digits"] }]);
    await holder.stop();
  });

  it("is read at once, and those of the next 100 ms are read together", async () => {
    const { clock, holder, reads, notify } = await listening();
    notify({ nodes: ["n-1"] });
    await clock.advance(0);
    expect(reads).toEqual([expect.objectContaining({ nodes: ["n-1"] })]);
    for (const id of ["n-2", "n-3", "n-4"]) notify({ nodes: [id] });
    await clock.advance(99);
    expect(reads).toHaveLength(1);
    await clock.advance(1);
    expect(reads.slice(1)).toEqual([expect.objectContaining({ nodes: ["n-2", "n-3", "n-4"] })]);
    await clock.advance(100);
    notify({ nodes: ["n-5"] });
    await clock.advance(0);
    expect(reads).toHaveLength(3);
    await holder.stop();
  });

  it("that names nothing leads to a read of everything, whatever others name", async () => {
    const { holder, reads, notify } = await listening();
    notify({ nodes: ["n-1"] });
    notify();
    await holder.refresh({ nodes: ["n-2"] });
    expect(reads).toEqual(["all"]);
    await holder.stop();
  });

  it("leads to a read of everything after a read that failed, since that one's changes are unknown", async () => {
    const { clock, holder, reads, notify, goAway, comeBack } = await listening();
    goAway();
    await holder.refresh({ nodes: ["n-1"] });
    expect(holder.isFresh).toBe(false);
    comeBack();
    notify({ nodes: ["n-2"] });
    await clock.advance(0);
    expect(reads).toEqual([expect.objectContaining({ nodes: ["n-1"] }), "all"]);
    expect(holder.isFresh).toBe(true);
    await holder.stop();
  });

  it("whose read failed is seen within half a second of the return of Postgres, also by those who watch", async () => {
    const { clock, holder, reads, notify, goAway, comeBack } = await listening();
    goAway();
    notify({ nodes: ["n-1"] });
    await clock.advance(0);
    comeBack();
    await clock.advance(500);
    expect(reads).toEqual([expect.objectContaining({ nodes: ["n-1"] }), "all"]);
    expect(holder.isFresh).toBe(true);
    await holder.stop();
  });

  it("is read for again and again while Postgres stays away, at last every 5 s", async () => {
    const { clock, holder, reads, notify, goAway } = await listening();
    goAway();
    notify();
    await clock.advance(60_000);
    expect(reads.length).toBeGreaterThan(12);
    expect(reads.length).toBeLessThan(60);
    await holder.stop();
  });

  it("is not needed for a read of everything every 5 minutes, and nothing is read in between", async () => {
    const { clock, holder, reads } = await listening();
    await clock.advance(295_000);
    expect(reads).toEqual([]);
    await clock.advance(10_000);
    expect(reads).toEqual(["all"]);
    await holder.stop();
  });
});

describe("what other replicas recorded of their sessions", () => {
  it("is not read beside the fleet, which it would put back", async () => {
    const clock = new TestClock();
    const session = aFleetSession({ replica: "r-2", ownerSeen: 0, lastSeen: 0 });
    const rowsOf = (open: boolean): FleetRows => ({
      nodes: [aNode("edge-a", { session: { ...session, open } })],
      deployments: [],
      versions: [],
      aliases: [],
      placements: [],
    });
    let [isOpen, answer] = [true, (): void => undefined];
    const { id: nodeId } = aNode("edge-a");
    const holder = new FleetCache({
      replica: "r-1",
      store: {
        load: async () => rowsOf(isOpen),
        liveness: async () => {
          const sessions = [{ nodeId, session: { ...session, open: isOpen }, load: undefined }];
          await new Promise<void>((resolve) => (answer = resolve));
          return sessions;
        },
      },
      notifier: { listen: () => Promise.resolve(), stop: () => Promise.resolve() },
      clock,
      random: seededRandom(1),
      logger: silentLogger,
    });
    await holder.refresh();
    await clock.advance(5_000);
    isOpen = false;
    const read = holder.refresh();
    await clock.advance(100);
    answer();
    await read;
    await clock.advance(0);
    expect(holder.snapshot().nodes.get(nodeId)?.session?.open).toBe(false);
    await holder.stop();
  });
});
