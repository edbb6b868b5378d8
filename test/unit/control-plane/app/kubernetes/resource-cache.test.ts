import { describe, expect, it } from "@jest/globals";
import { ResourceCache } from "../../../../../control-plane/app/kubernetes/resource-cache.ts";
import type { ResourceChange } from "../../../../../control-plane/ports/cloud/custom-resources.ts";
import type { Resource } from "../../../../../shared/api/v1alpha1/resource.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { Logger } from "../../../../../shared/base/logging/logger.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

/** What happens at once happens first, so that what it plans is planned before the time passes. */
async function pass(clock: TestClock, ms: number): Promise<void> {
  await settle();
  await clock.advance(ms);
}

const resource = (name: string, version: number, uid = `uid-${name}`): Resource => ({
  metadata: { name, namespace: "skerry", uid, resourceVersion: String(version), generation: 1, finalizers: [] },
});

/** An API server whose answers the test gives one by one. */
function rig() {
  const clock = new TestClock();
  const changed: string[] = [];
  const lines: string[] = [];
  const calls: string[] = [];
  const server = { resources: [] as Resource[], version: 1, isAway: false };
  const watches: { push(change: ResourceChange): void; end(): void; fail(error: Error): void }[] = [];
  const away = (): SkerryError => new SkerryError("CLUSTER_UNAVAILABLE", "connection refused");
  const logger: Logger = {
    ...silentLogger,
    warn: (_, message) => void lines.push(String(message)),
    info: (_, message) => void lines.push(String(message)),
  };
  const cache = new ResourceCache({
    kind: "ModelDeployment",
    cluster: {
      async list() {
        calls.push("list");
        if (server.isAway) throw away();
        return { resources: server.resources, resourceVersion: String(server.version) };
      },
      async *watch(_, after, signal) {
        calls.push(`watch ${after}`);
        if (server.isAway) throw away();
        const queue: (ResourceChange | Error | "end")[] = [];
        let wake = (): void => undefined;
        signal.addEventListener("abort", () => wake());
        const put = (item: ResourceChange | Error | "end"): void => {
          queue.push(item);
          wake();
        };
        watches.push({ push: put, end: () => put("end"), fail: put });
        while (!signal.aborted) {
          const item = queue.shift();
          if (item === "end") return;
          if (item instanceof Error) throw item;
          if (item) yield item;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      },
    },
    clock,
    random: seededRandom(1),
    logger,
    onChange: (name) => void changed.push(name),
    onSynced: () => void changed.push("*"),
  });
  return { clock, cache, changed, lines, calls, server, watches, away };
}

describe("the custom resources in memory", () => {
  it("are listed once and follow the watch", async () => {
    const { clock, cache, changed, server, watches, calls } = rig();
    server.resources = [resource("a", 1)];
    cache.start();
    await clock.advance(0);
    expect(changed).toEqual(["*"]);
    watches[0]?.push({ type: "changed", resource: resource("b", 2) });
    watches[0]?.push({ type: "deleted", resource: resource("a", 3) });
    await clock.advance(0);
    expect(changed).toEqual(["*", "b", "a"]);
    expect(cache.names()).toEqual(["b"]);
    expect(calls).toEqual(["list", "watch 1"]);
    await cache.stop();
  });

  it("go on from the last bookmark when the server ends a watch", async () => {
    const { clock, cache, watches, calls } = rig();
    cache.start();
    await clock.advance(0);
    watches[0]?.push({ type: "bookmark", resourceVersion: "70" });
    watches[0]?.end();
    await pass(clock, 1_000);
    expect(calls).toEqual(["list", "watch 1", "watch 70"]);
    await cache.stop();
  });

  it("are listed again when the server has forgotten the version, and report what is gone, changed or new by then", async () => {
    const { clock, cache, changed, server, watches, calls } = rig();
    server.resources = [resource("a", 1), resource("b", 1), resource("c", 1), resource("d", 1)];
    cache.start();
    await clock.advance(0);
    server.resources = [resource("b", 80), resource("c", 1), resource("d", 1, "made anew"), resource("e", 85)];
    server.version = 90;
    watches[0]?.push({ type: "expired" });
    watches[0]?.end();
    await pass(clock, 1_000);
    expect(calls).toEqual(["list", "watch 1", "list", "watch 90"]);
    expect(changed).toEqual(["*", "a", "b", "d", "e"]);
    await cache.stop();
  });

  it("come back within a second after an outage of any length, which is logged once", async () => {
    const { clock, cache, changed, lines, server, watches, away } = rig();
    cache.start();
    await clock.advance(0);
    server.isAway = true;
    watches[0]?.fail(away());
    await pass(clock, 600_000);
    expect(cache.isSynced).toBe(false);
    server.isAway = false;
    await pass(clock, 1_000);
    expect(cache.isSynced).toBe(true);
    expect(changed).toEqual(["*", "*"]);
    expect(lines).toEqual([
      "custom resources cannot be watched now; they are tried again",
      "custom resources are watched again",
    ]);
    await cache.stop();
  });

  it("that are refused again soon after they came back are one outage in the log, and later another one", async () => {
    const { clock, cache, lines, watches, away } = rig();
    const refused = (): number => lines.filter((line) => line.includes("cannot be watched now")).length;
    cache.start();
    await clock.advance(0);
    watches.at(-1)?.fail(away());
    await pass(clock, 1_000);
    watches.at(-1)?.fail(away());
    await pass(clock, 1_000);
    expect([cache.isSynced, refused()]).toEqual([true, 1]);
    await pass(clock, 10_000);
    watches.at(-1)?.fail(away());
    await pass(clock, 1_000);
    expect([cache.isSynced, refused()]).toEqual([true, 2]);
    await cache.stop();
  });

  it("that an outage was about are reported beside all, so that they need not wait for the others", async () => {
    const { clock, cache, changed, server, watches, away } = rig();
    server.resources = [resource("a", 1), resource("b", 1), resource("c", 1)];
    cache.start();
    await clock.advance(0);
    watches[0]?.fail(away());
    server.resources = [resource("a", 1), resource("c", 7), resource("d", 8)];
    await pass(clock, 1_000);
    expect(changed).toEqual(["*", "*", "b", "c", "d"]);
    await cache.stop();
  });

  it("are asked for again when a watch is silent for longer than a bookmark may take", async () => {
    const { clock, cache, calls } = rig();
    cache.start();
    await pass(clock, 149_000);
    expect(calls).toEqual(["list", "watch 1"]);
    await pass(clock, 3_000);
    expect(calls).toEqual(["list", "watch 1", "list", "watch 1"]);
    await cache.stop();
  });

  it("do not ask a server that is flooded before it wants to be asked", async () => {
    const { clock, cache, calls, watches } = rig();
    cache.start();
    await clock.advance(0);
    watches[0]?.fail(new SkerryError("CLUSTER_UNAVAILABLE", "429", { retryAfterMs: 30_000 }));
    await pass(clock, 29_000);
    expect(calls).toEqual(["list", "watch 1"]);
    await pass(clock, 2_000);
    expect(calls).toEqual(["list", "watch 1", "list", "watch 1"]);
    await cache.stop();
  });

  it("know a write of ours before the watch tells of it, and nothing older afterwards", async () => {
    const { clock, cache, changed, server, watches } = rig();
    server.resources = [resource("a", 1)];
    cache.start();
    await clock.advance(0);
    cache.put(resource("a", 5));
    for (const version of [4, 5]) watches[0]?.push({ type: "changed", resource: resource("a", version) });
    await clock.advance(0);
    expect(cache.get("a")?.metadata.resourceVersion).toBe("5");
    expect(changed).toEqual(["*"]);
    cache.put(resource("a", 6, "another object"));
    expect(cache.get("a")?.metadata.resourceVersion).toBe("5");
    await cache.stop();
  });
});
