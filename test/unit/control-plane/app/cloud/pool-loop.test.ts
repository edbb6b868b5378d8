import { describe, expect, it } from "@jest/globals";
import { PoolLoop } from "../../../../../control-plane/app/cloud/pool-loop.ts";
import type { FleetDeployment } from "../../../../../control-plane/core/fleet/types.ts";
import type { PoolSettings } from "../../../../../control-plane/core/scaling/pool.ts";
import type { CloudPool, PoolObservation, PoolScale } from "../../../../../control-plane/ports/cloud/cloud-pool.ts";
import type { PoolFindings } from "../../../../../shared/api/v1/nodes/cloud-pools.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { Logger } from "../../../../../shared/base/logging/logger.ts";
import { aDeployment, aNode, aVersion, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const counts = (wanted: number) => ({ wanted, placed: 0, ready: 0 });
const wantingTwo: FleetDeployment = aDeployment(
  { name: "digits", model: "digits", version: 1, placement: { cloud: { min: 0, max: 9 } } },
  {
    status: {
      observedGeneration: 1,
      at: 0,
      findings: {
        conditions: [],
        activeVersion: null,
        targetVersion: 1,
        edge: counts(0),
        cloud: counts(2),
        unplaced: [],
      },
    },
  },
);

/** A pool that is a number, and can be made to fail. */
class FakePool implements CloudPool {
  readonly name: string;
  readonly scaled: PoolScale[] = [];
  looks = 0;
  failure: string | undefined;
  #replicas = 0;

  constructor(name: string) {
    this.name = name;
  }

  observe(): Promise<PoolObservation> {
    this.looks += 1;
    if (this.failure !== undefined) return Promise.reject(new SkerryError("CLUSTER_UNAVAILABLE", this.failure));
    const pods = Array.from({ length: this.#replicas }, (_, index) => ({
      name: `${this.name}-${index}`,
      state: "running" as const,
      trouble: undefined,
      createdAt: index,
    }));
    const size = { memMiB: 8_192, cpus: 4 };
    return Promise.resolve({ replicas: this.#replicas, pods, labels: {}, trouble: undefined, ...size });
  }

  scale(change: PoolScale): Promise<boolean> {
    this.scaled.push(change);
    this.#replicas = change.to;
    return Promise.resolve(true);
  }
}

const SETTINGS: PoolSettings = { name: "", min: 0, max: 4, site: "cloud" };

/** `pools` may change while it runs; `over`: what is declared of all of them by now. */
async function aLoop(pools: readonly FakePool[], over: () => Partial<PoolSettings> = () => ({})) {
  const clock = new TestClock(NOW);
  const deployments = [wantingTwo];
  const nodes = [aNode("edge-a")];
  const fleet = await fleetOf({ nodes, deployments, versions: [aVersion("digits", 1)] }, clock);
  const recorded: (readonly PoolFindings[])[] = [];
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) };
  let isLeading = true;
  const loop = new PoolLoop({
    sources: {
      list: () =>
        Promise.resolve(pools.map((pool) => ({ settings: { ...SETTINGS, name: pool.name, ...over() }, pool }))),
    },
    fleet,
    leadership: {
      current: () => (isLeading ? { fence: { holder: "r-1", token: 1n }, since: NOW - 600_000 } : undefined),
    },
    plans: { setDraining: () => Promise.resolve("committed") },
    store: {
      record: (_, findings) => {
        recorded.push(findings);
        return Promise.resolve("committed");
      },
      list: () => Promise.resolve([]),
    },
    workersOf: () => 0,
    onChange: () => undefined,
    recordEvent: () => undefined,
    scaleDownMs: 60_000,
    timings: TIMINGS,
    clock,
    logger,
  });
  loop.start();
  const stop = async (): Promise<void> => {
    await loop.stop();
    await fleet.stop();
  };
  return { clock, loop, recorded, warnings, stop, lead: (whether: boolean) => void (isLeading = whether) };
}

describe("the loop of cloud pools", () => {
  it("scales a pool to what deployments ask for, and records what it found when it differs", async () => {
    const pool = new FakePool("default");
    const { clock, loop, recorded, stop } = await aLoop([pool]);
    const changed: string[] = [];
    loop.onFindings((name) => changed.push(name));
    await clock.advance(5_000);
    expect(pool.scaled).toEqual([{ from: 0, to: 2, remove: [] }]);
    expect(recorded.at(-1)).toMatchObject([{ name: "default", wanted: 2, replicas: 2, ready: 0, pending: 2 }]);
    const writes = recorded.length;
    await clock.advance(60_000);
    expect(recorded).toHaveLength(writes);
    expect(changed).toEqual(["default", "default"]);
    await stop();
  });

  it("looks at a pool in which nothing moves every 10 s", async () => {
    const pool = new FakePool("default");
    const { clock, stop } = await aLoop([pool]);
    await clock.advance(5_000);
    const before = pool.looks;
    await clock.advance(60_000);
    expect(pool.looks - before).toBeLessThanOrEqual(7);
    await stop();
  });

  it("shows a pool that cannot be looked at with the reason, logs it once, and goes on with the others", async () => {
    const [away, other] = [new FakePool("away"), new FakePool("other")];
    away.failure = "the API server does not answer";
    const { clock, recorded, warnings, stop } = await aLoop([away, other]);
    await clock.advance(30_000);
    expect(warnings).toEqual(["the cloud pool cannot be looked at; it stays as it is"]);
    expect(recorded.at(-1)?.map(({ trouble }) => trouble)).toEqual([
      expect.stringContaining("the API server does not answer"),
      null,
    ]);
    expect(other.scaled).toHaveLength(1);
    away.failure = undefined;
    await clock.advance(15_000);
    expect(recorded.at(-1)?.map(({ trouble }) => trouble)).toEqual([null, null]);
    await stop();
  });

  it("follows what is declared: bounds that change, pools that come and pools that go", async () => {
    const [first, second] = [new FakePool("first"), new FakePool("second")];
    const pools = [first];
    let bounds: Partial<PoolSettings> = { max: 1 };
    const { clock, loop, recorded, stop } = await aLoop(pools, () => bounds);
    const told: string[] = [];
    const end = loop.onFindings((name) => told.push(name));
    await clock.advance(5_000);
    expect(first.scaled.map(({ to }) => to)).toEqual([1]);
    expect(new Set(told)).toEqual(new Set(["first"]));
    pools.push(second);
    await clock.advance(5_000);
    expect(second.scaled.map(({ to }) => to)).toEqual([1]);
    bounds = { max: 9 };
    pools.pop();
    await clock.advance(12_000);
    expect(first.scaled.map(({ to }) => to)).toEqual([1, 2]);
    expect(recorded.at(-1)?.map(({ name, max }) => `${name} ${max}`)).toEqual(["first 9"]);
    end();
    pools.pop();
    await clock.advance(5_000);
    expect([loop.views, loop.findings, recorded.at(-1)]).toEqual([[], [], []]);
    await stop();
  });

  it("looks at once at a pool that scales something else now", async () => {
    const [before, after] = [new FakePool("default"), new FakePool("default")];
    const pools = [before];
    const { clock, stop } = await aLoop(pools);
    await clock.advance(15_000);
    pools[0] = after;
    await clock.advance(1_000);
    expect([after.looks, after.scaled]).toEqual([1, [{ from: 0, to: 2, remove: [] }]]);
    await stop();
  });

  it("says what is missing when a pool declares a site that its pods do not ask for", async () => {
    const pool = new FakePool("gpu");
    const { clock, loop, stop } = await aLoop([pool], () => ({ site: "berlin", needsPoolLabel: true }));
    await clock.advance(5_000);
    expect(loop.findings[0]?.trouble).toContain("lacks the label skerry.dev/pool: gpu");
    await stop();
  });

  it("leaves pools alone while another replica leads", async () => {
    const pool = new FakePool("default");
    const { clock, loop, lead, stop } = await aLoop([pool]);
    await clock.advance(5_000);
    lead(false);
    await clock.advance(5_000);
    const before = pool.looks;
    await clock.advance(60_000);
    expect([pool.looks, loop.views, loop.findings]).toEqual([before, [], []]);
    await stop();
  });
});
