import { describe, expect, it } from "@jest/globals";
import { PoolLoop } from "../../../../../control-plane/app/cloud/pool-loop.ts";
import type { FleetDeployment } from "../../../../../control-plane/core/fleet/types.ts";
import type { CloudPool, PoolObservation, PoolScale } from "../../../../../control-plane/ports/cloud-pool.ts";
import type { PoolFindings } from "../../../../../shared/api/v1/cloud-pools.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { Logger } from "../../../../../shared/base/logger.ts";
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

async function aLoop(pools: readonly FakePool[]) {
  const clock = new TestClock(NOW);
  const deployments = [wantingTwo];
  const nodes = [aNode("edge-a")];
  const fleet = await fleetOf({ nodes, deployments, versions: [aVersion("digits", 1)] }, clock);
  const recorded: (readonly PoolFindings[])[] = [];
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) };
  let isLeading = true;
  const loop = new PoolLoop({
    pools: pools.map((pool) => ({ settings: { name: pool.name, min: 0, max: 4, site: "cloud" }, pool })),
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
    const { clock, recorded, stop } = await aLoop([pool]);
    await clock.advance(5_000);
    expect(pool.scaled).toEqual([{ from: 0, to: 2, remove: [] }]);
    expect(recorded.at(-1)).toMatchObject([{ name: "default", wanted: 2, replicas: 2, ready: 0, pending: 2 }]);
    const writes = recorded.length;
    await clock.advance(60_000);
    expect(recorded).toHaveLength(writes);
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
