import { describe, expect, it } from "@jest/globals";
import { HostRecycler } from "../../../../../edge-node/app/hosts/host-recycler.ts";
import type { Held } from "../../../../../edge-node/app/placements/placements.ts";
import type { ModelHost } from "../../../../../edge-node/ports/model-hosts.ts";
import { FakeHosts, FakeServing } from "../../../../support/fake-hosts.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const SPEC = {
  placementId: "p-1",
  model: "digits",
  version: "3",
  artifact: "a-1",
  limits: { memMiB: 100 },
};

/** A placement whose host runs and is watched. */
async function setUp({ memFreeMiB = 1_000 } = {}) {
  const clock = new TestClock();
  const hosts = new FakeHosts();
  const serving = new FakeServing();
  const told: string[] = [];
  const renewal = new HostRecycler({
    hosts,
    serving,
    clock,
    logger: silentLogger,
    disk: {
      directory: (artifact: string) => `/models/${artifact}`,
      manifest: () => Promise.resolve({ rows: { kind: "independent" } }),
    },
    probe: { memFreeMiB: () => memFreeMiB },
    log: { add: (_level: string, line: string) => told.push(line) },
    own: () => undefined,
    adopt: (one: Held, host: ModelHost) => {
      one.process = host;
      renewal.watch(one, host);
    },
  } as unknown as ConstructorParameters<typeof HostRecycler>[0]);
  const start = { ...SPEC, directory: "/models/a-1" } as unknown as Parameters<FakeHosts["start"]>[0];
  await hosts.start(start, () => undefined, new AbortController().signal);
  const [host] = hosts.started;
  if (!host) throw new Error("no host");
  const held = { spec: SPEC, state: "ready", process: host, abort: undefined } as unknown as Held;
  renewal.watch(held, host);
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 5_000) {
      await clock.advance(Math.min(left, 5_000));
      await settle();
    }
  };
  return { held, hosts, host, serving, told, pass, renewal };
}

describe("HostRecycler", () => {
  it("lets a host be that holds what it began with", async () => {
    const { hosts, pass } = await setUp();
    await pass(60_000);
    expect(hosts.started).toHaveLength(1);
  });

  it("puts a new host in the place of one that has grown to 80 % of its limit, then ends the old one and says so", async () => {
    const { held, hosts, host, serving, told, pass } = await setUp();
    host.ownMiBNow = 85;
    await pass(5_000);
    expect(hosts.started).toHaveLength(2);
    expect(held.process).toBe(hosts.started[1]);
    expect(serving.hosts.get("p-1")).toBe(hosts.started[1]);
    expect(hosts.diary).toEqual(["start p-1", "start p-1", "stopped p-1"]);
    expect(told).toEqual(["the model host of digits:3 had come to 85 of its 100 MiB and was replaced while it served"]);
  });

  it("gives a host that is near its limit a raised one at once, grown or not", async () => {
    const { held, hosts, host, told, pass } = await setUp();
    host.ownMiBNow = 85;
    await pass(5_000);
    const [, second] = hosts.started;
    if (second) second.ownMiBNow = 85;
    held.spec = { ...held.spec, limits: { ...held.spec.limits, memMiB: 200 } };
    await pass(5_000);
    expect(hosts.started.map(({ spec, isRunning }) => [spec.limits.memMiB, isRunning])).toEqual([
      [100, false],
      [100, false],
      [200, true],
    ]);
    expect(told.at(-1)).toBe(
      "the model host of digits:3 had come to 85 of its 100 MiB (200 MiB for the next) and was replaced while it served",
    );
  });

  it("leaves a host be whose limit was lowered, or raised without need", async () => {
    const { held, hosts, host, pass } = await setUp();
    host.ownMiBNow = 60;
    for (const memMiB of [50, 200, 0]) {
      held.spec = { ...held.spec, limits: { ...held.spec.limits, memMiB } };
      await pass(10_000);
    }
    expect(hosts.started).toEqual([host]);
  });

  it("does not give the next host less than the old one had", async () => {
    const { held, hosts, host, told, pass } = await setUp();
    held.spec = { ...held.spec, limits: { ...held.spec.limits, memMiB: 64 } };
    host.ownMiBNow = 85;
    await pass(5_000);
    expect(hosts.started.map(({ spec }) => spec.limits.memMiB)).toEqual([100, 100]);
    expect(told).toEqual(["the model host of digits:3 had come to 85 of its 100 MiB and was replaced while it served"]);
  });

  it("tries a limit under which no host starts once in ten minutes, and says why the old one stays", async () => {
    const { held, hosts, host, told, pass } = await setUp();
    hosts.failures.set("p-1", "OUT_OF_MEMORY");
    host.ownMiBNow = 85;
    await pass(590_000);
    expect(hosts.diary.filter((line) => line === "start p-1")).toHaveLength(2);
    expect([held.process, host.isRunning]).toEqual([host, true]);
    expect(told).toEqual([
      "the model host of digits:3 had come to 85 of its 100 MiB and could not be replaced: p-1 was made to fail",
    ]);
    await pass(20_000);
    expect(hosts.diary.filter((line) => line === "start p-1")).toHaveLength(3);
  });

  it("does so at most every ten minutes, however fast the new one grows", async () => {
    const { hosts, host, pass } = await setUp();
    host.ownMiBNow = 85;
    await pass(5_000);
    const [, second] = hosts.started;
    if (second) second.ownMiBNow = 90;
    await pass(590_000);
    expect(hosts.started).toHaveLength(2);
    await pass(20_000);
    expect(hosts.started).toHaveLength(3);
  });

  it("waits while the machine has no memory for both", async () => {
    const { hosts, host, pass } = await setUp({ memFreeMiB: 20 });
    host.ownMiBNow = 85;
    await pass(60_000);
    expect(hosts.started).toHaveLength(1);
  });

  it("keeps the old host when the new one does not start", async () => {
    const { held, hosts, host, pass } = await setUp();
    hosts.failures.set("p-1", "OUT_OF_MEMORY");
    host.ownMiBNow = 85;
    await pass(5_000);
    expect([held.process, host.isRunning]).toEqual([host, true]);
  });

  it("gives the new host up when the placement goes meanwhile", async () => {
    const { held, hosts, host, serving, pass } = await setUp();
    hosts.held.add("p-1");
    host.ownMiBNow = 85;
    await pass(5_000);
    held.process = undefined;
    hosts.release("p-1");
    await pass(10_000);
    expect(hosts.started[1]?.isRunning).toBe(false);
    expect(serving.hosts.size).toBe(0);
  });

  it("is called off while the new host loads, and leaves nothing behind", async () => {
    const { held, hosts, host, pass, renewal } = await setUp();
    hosts.held.add("p-1");
    host.ownMiBNow = 85;
    await pass(5_000);
    expect(held.abort).toBeDefined();
    renewal.cancel(held, 0);
    await pass(5_000);
    expect([held.abort, hosts.started.length, host.isRunning]).toEqual([undefined, 1, true]);
  });

  it("lets two worn hosts take turns, as both would count on the same free memory", async () => {
    const { held, hosts, host, pass, renewal } = await setUp();
    const other = { ...held, spec: { ...held.spec, placementId: "p-2" } } as Held;
    const start = { ...SPEC, placementId: "p-2", directory: "/models/a-1" } as unknown as Parameters<
      FakeHosts["start"]
    >[0];
    other.process = await hosts.start(start, () => undefined, new AbortController().signal);
    renewal.watch(other, other.process);
    hosts.held.add("p-1");
    for (const each of [host, hosts.started[1]]) if (each) each.ownMiBNow = 85;
    await pass(5_000);
    expect(hosts.diary.filter((line) => line.startsWith("start"))).toEqual(["start p-1", "start p-2", "start p-1"]);
    hosts.release("p-1");
    await pass(10_000);
    expect(hosts.diary.filter((line) => line === "start p-2")).toHaveLength(2);
  });
});
