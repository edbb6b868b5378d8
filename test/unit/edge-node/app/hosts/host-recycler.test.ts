import { describe, expect, it } from "@jest/globals";
import { HostRecycler } from "../../../../../edge-node/app/hosts/host-recycler.ts";
import { measuredHost } from "../../../../../edge-node/app/hosts/measured-host.ts";
import { LocalPlacement } from "../../../../../edge-node/core/placements/local-placement.ts";
import type { DesiredPlacement } from "../../../../../shared/protocol/messages/desired-placement.ts";
import type { HostSpec, ModelHost } from "../../../../../edge-node/ports/model-hosts.ts";
import { FakeHosts, FakeServing } from "../../../../support/fakes/fake-hosts.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const SPEC: DesiredPlacement = {
  placementId: "p-1",
  generation: 1,
  deployment: "d-1",
  model: "digits",
  version: "3",
  artifact: `sha256:${"a".repeat(64)}`,
  want: "serve",
  residency: "any",
  limits: { memMiB: 100, maxBatch: 8, queue: 64, timeoutMs: 2_000 },
};

/** The desired document gives the placement another memory limit. */
function limit(placement: LocalPlacement<ModelHost>, memMiB: number): void {
  placement.adopt({ ...placement.spec, limits: { ...placement.spec.limits, memMiB } }, { isHere: true });
}

/** A placement whose host runs and is watched. */
async function setUp({ memFreeMiB = 1_000, isolation }: { memFreeMiB?: number; isolation?: "shared" } = {}) {
  const clock = new TestClock();
  const limits = { ...SPEC.limits, ...(isolation && { isolation }) };
  const hosts = new FakeHosts();
  const serving = new FakeServing();
  const told: string[] = [];
  const recycler = new HostRecycler({
    hosts,
    serving,
    clock,
    logger: silentLogger,
    disk: {
      directory: (artifact: string) => `/models/${artifact}`,
      manifest: () => Promise.resolve({ rows: { kind: "independent" }, files: [] }),
    },
    probe: { memFreeMiB: () => memFreeMiB },
    log: { add: (_level: string, line: string) => told.push(line) },
    own: () => undefined,
    limits: {
      within: (_: unknown, spec: HostSpec, memMiB: number) => ({ ...spec, limits: { ...spec.limits, memMiB } }),
    },
    onMeasured: () => undefined,
    onReplaced: (placement: LocalPlacement<ModelHost>, host: ModelHost) => recycler.watch(placement, host),
  } as unknown as ConstructorParameters<typeof HostRecycler>[0]);
  /** Another placement, whose host runs and is watched. */
  const ready = async (placementId: string): Promise<LocalPlacement<ModelHost>> => {
    const placement = new LocalPlacement<ModelHost>({ ...SPEC, placementId, limits }, () => undefined);
    placement.becomeStaged();
    placement.hostStarting();
    placement.hostLoading();
    const spec = { ...placement.spec, directory: "/models/a-1", ...(isolation && { mayShareHost: true }) };
    const host = await hosts.start(spec, () => undefined, new AbortController().signal);
    placement.hostReady(host, measuredHost(host, placement.spec));
    recycler.watch(placement, host);
    return placement;
  };
  const placement = await ready("p-1");
  const [host] = hosts.started;
  if (!host) throw new Error("no host");
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 5_000) {
      await clock.advance(Math.min(left, 5_000));
      await settle();
    }
  };
  return { placement, hosts, host, serving, told, pass, recycler, ready };
}

describe("HostRecycler", () => {
  it("lets a host be that holds what it began with", async () => {
    const { hosts, pass } = await setUp();
    await pass(60_000);
    expect(hosts.started).toHaveLength(1);
  });

  it("puts a new host in the place of one that has grown to 80 % of its limit, then ends the old one and says so", async () => {
    const { placement, hosts, host, serving, told, pass } = await setUp();
    host.ownMiBNow = 85;
    await pass(5_000);
    expect(hosts.started).toHaveLength(2);
    expect(placement.host).toBe(hosts.started[1]);
    expect(serving.hosts.get("p-1")).toBe(hosts.started[1]);
    expect(hosts.diary).toEqual(["start p-1", "start p-1", "stopped p-1"]);
    expect(told).toEqual(["the model host of digits:3 had come to 85 of its 100 MiB and was replaced while it served"]);
  });

  it("gives a host that is near its limit a raised one at once, grown or not", async () => {
    const { placement, hosts, host, told, pass } = await setUp();
    host.ownMiBNow = 85;
    await pass(5_000);
    const [, second] = hosts.started;
    if (second) second.ownMiBNow = 85;
    limit(placement, 200);
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

  it("moves a model out of a shared host that its neighbours wait for it in, and says why", async () => {
    const { placement, hosts, host, told, pass } = await setUp();
    host.whyReplaceNow = "its runs keep the other models of shared-1 waiting, the last one for 150 ms";
    await pass(5_000);
    expect(placement.host).toBe(hosts.started[1]);
    expect(told).toEqual([
      "the model host of digits:3 had to change (its runs keep the other models of shared-1 waiting, the last one for 150 ms) and was replaced while it served",
    ]);
  });

  it("moves a model out of a shared host when its deployment asks for one of its own", async () => {
    const { placement, hosts, told, pass } = await setUp({ isolation: "shared" });
    await pass(60_000);
    expect(hosts.started).toHaveLength(1);
    const { isolation: _, ...limits } = placement.spec.limits;
    placement.adopt({ ...placement.spec, limits }, { isHere: true });
    await pass(5_000);
    expect(hosts.started.map(({ spec }) => spec.mayShareHost)).toEqual([true, undefined]);
    expect(told).toEqual([
      "the model host of digits:3 had to change (its deployment asks for a host of its own, and it was in shared-1) and was replaced while it served",
    ]);
  });

  it("leaves a host be whose limit was lowered, or raised without need", async () => {
    const { placement, hosts, host, pass } = await setUp();
    host.ownMiBNow = 60;
    for (const memMiB of [50, 200, 0]) {
      limit(placement, memMiB);
      await pass(10_000);
    }
    expect(hosts.started).toEqual([host]);
  });

  it("does not give the next host less than the old one had", async () => {
    const { placement, hosts, host, told, pass } = await setUp();
    limit(placement, 64);
    host.ownMiBNow = 85;
    await pass(5_000);
    expect(hosts.started.map(({ spec }) => spec.limits.memMiB)).toEqual([100, 100]);
    expect(told).toEqual(["the model host of digits:3 had come to 85 of its 100 MiB and was replaced while it served"]);
  });

  it("tries a limit under which no host starts once in ten minutes, and says why the old one stays", async () => {
    const { placement, hosts, host, told, pass } = await setUp();
    hosts.failures.set("p-1", "OUT_OF_MEMORY");
    host.ownMiBNow = 85;
    await pass(590_000);
    expect(hosts.diary.filter((line) => line === "start p-1")).toHaveLength(2);
    expect([placement.host, host.isRunning]).toEqual([host, true]);
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
    const { placement, hosts, host, pass } = await setUp();
    hosts.failures.set("p-1", "OUT_OF_MEMORY");
    host.ownMiBNow = 85;
    await pass(5_000);
    expect([placement.host, host.isRunning]).toEqual([host, true]);
  });

  it("gives the new host up when the placement goes meanwhile", async () => {
    const { placement, hosts, host, serving, pass } = await setUp();
    hosts.held.add("p-1");
    host.ownMiBNow = 85;
    await pass(5_000);
    placement.hostStopping();
    placement.hostStopped();
    hosts.release("p-1");
    await pass(10_000);
    expect(hosts.started[1]?.isRunning).toBe(false);
    expect(serving.hosts.size).toBe(0);
  });

  it("is called off while the new host loads, and leaves nothing behind", async () => {
    const { placement, hosts, host, pass, recycler } = await setUp();
    hosts.held.add("p-1");
    host.ownMiBNow = 85;
    await pass(5_000);
    expect(hosts.diary).toEqual(["start p-1", "start p-1"]);
    recycler.cancel(placement, 0);
    await pass(5_000);
    expect([hosts.started.length, host.isRunning]).toEqual([1, true]);
  });

  it("lets two hosts that need recycling take turns, as both would count on the same free memory", async () => {
    const { hosts, host, pass, ready } = await setUp();
    await ready("p-2");
    hosts.held.add("p-1");
    for (const each of [host, hosts.started[1]]) if (each) each.ownMiBNow = 85;
    await pass(5_000);
    expect(hosts.diary.filter((line) => line.startsWith("start"))).toEqual(["start p-1", "start p-2", "start p-1"]);
    hosts.release("p-1");
    await pass(10_000);
    expect(hosts.diary.filter((line) => line === "start p-2")).toHaveLength(2);
  });
});
