import { describe, expect, it } from "@jest/globals";
import { FleetCache } from "../../../../../control-plane/app/fleet/fleet-cache.ts";
import type { FleetRows } from "../../../../../control-plane/core/fleet/types.ts";
import { aNode } from "../../../../support/fleet-builder.ts";
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
