import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { EvidenceMeter } from "../../../../control-plane/app/rollouts/evidence-meter.ts";
import { EvidenceReports } from "../../../../control-plane/app/rollouts/evidence-reports.ts";
import { NO_REQUESTS } from "../../../../control-plane/core/rollout/gate/evidence.ts";
import type { MeasuredRollout } from "../../../../control-plane/core/rollout/gate/measured.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { TestClock } from "../../../support/test-clock.ts";
import { until } from "../../../support/processes/skerry-process.ts";
import { alice, connect, openStores, readyVersion, specOf } from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  await readyVersion(stores, "digits");
  await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
});
beforeEach(async () => {
  const client = await connect(database.url);
  await client.query("DELETE FROM rollout_evidence");
  await client.end();
});
afterAll(async () => {
  await stores.close();
  await database.stop();
});

const ROLLOUT: MeasuredRollout = { deployment: "digits", rollout: 1, wave: 1, old: 1, new: 2, copies: false };
const answer = { version: 2, code: undefined, kind: "edge" as const, ms: 5 };
const counted = (requests: number, over: Partial<MeasuredRollout> = {}) => {
  const { deployment, rollout, wave } = { ...ROLLOUT, ...over };
  const samples = { old: NO_REQUESTS, new: { ...NO_REQUESTS, requests: 2 } };
  const fresh = { ...NO_REQUESTS, requests, errors: { RUN_FAILED: 1 } };
  return { deployment, rollout, wave, old: NO_REQUESTS, new: fresh, samples };
};

it("is what other replicas wrote of this wave last, also when they have ended", async () => {
  await stores.rolloutEvidence.report("r-a", [counted(1)]);
  await stores.rolloutEvidence.report("r-a", [counted(2)]);
  await stores.rolloutEvidence.report("r-b", [counted(3)]);
  expect(await stores.rolloutEvidence.ofOthers("r-b", [ROLLOUT])).toEqual([counted(2)]);
  expect(await stores.rolloutEvidence.ofOthers("r-c", [ROLLOUT])).toHaveLength(2);
  expect(await stores.rolloutEvidence.ofOthers("r-c", [{ ...ROLLOUT, wave: 2 }])).toEqual([]);
});

it("replaces what any replica wrote of earlier waves, and no later one", async () => {
  await stores.rolloutEvidence.report("r-a", [counted(1)]);
  await stores.rolloutEvidence.report("r-b", [counted(2, { wave: 2 })]);
  expect(await stores.rolloutEvidence.ofOthers("r-c", [ROLLOUT])).toEqual([]);
  await stores.rolloutEvidence.report("r-a", [counted(1)]);
  expect(await stores.rolloutEvidence.ofOthers("r-c", [{ ...ROLLOUT, wave: 2 }])).toEqual([counted(2, { wave: 2 })]);
});

it("passes over deployments that are gone, and goes with its deployment", async () => {
  await stores.rolloutEvidence.report("r-a", [counted(1, { deployment: "forgotten" })]);
  expect(await stores.rolloutEvidence.ofOthers("r-c", [{ ...ROLLOUT, deployment: "forgotten" }])).toEqual([]);
  await stores.deployments.put(specOf("short-lived"), { actor: alice, ifMatch: undefined });
  const wave = { ...ROLLOUT, deployment: "short-lived" };
  await stores.rolloutEvidence.report("r-a", [counted(1, wave)]);
  expect(await stores.rolloutEvidence.ofOthers("r-c", [wave])).toHaveLength(1);
  const client = await connect(database.url);
  await client.query("DELETE FROM deployments WHERE name = 'short-lived'");
  await client.end();
  expect(await stores.rolloutEvidence.ofOthers("r-c", [wave])).toEqual([]);
});

it("reaches the leader from every replica, and decides nothing before it was read", async () => {
  const clock = new TestClock();
  let statements = 0;
  const store = {
    report: (...args: Parameters<typeof stores.rolloutEvidence.report>) => {
      statements += 1;
      return stores.rolloutEvidence.report(...args);
    },
    ofOthers: (...args: Parameters<typeof stores.rolloutEvidence.ofOthers>) => {
      statements += 1;
      return stores.rolloutEvidence.ofOthers(...args);
    },
  };
  let waves: readonly MeasuredRollout[] = [];
  const meters = { leader: new EvidenceMeter(), router: new EvidenceMeter() };
  const parts = { store, clock, logger: silentLogger, waves: () => waves };
  const leader = new EvidenceReports({ ...parts, replica: "r-a", meter: meters.leader, isLeading: () => true });
  const router = new EvidenceReports({ ...parts, replica: "r-b", meter: meters.router, isLeading: () => false });
  leader.start();
  router.start();
  await clock.advance(10_000);
  expect(statements).toBe(0);

  waves = [ROLLOUT];
  meters.leader.answered(ROLLOUT, answer);
  meters.router.answered(ROLLOUT, { ...answer, code: "RUN_FAILED" });
  meters.router.answered(ROLLOUT, { ...answer, version: 1 });
  expect(leader.of(ROLLOUT)).toBeUndefined();
  await until("the leader has all counts", async () => {
    await clock.advance(2_000);
    return leader.of(ROLLOUT)?.new.requests === 2;
  });
  expect(leader.of(ROLLOUT)).toMatchObject({ old: { requests: 1 }, new: { errors: { RUN_FAILED: 1 } } });
  expect(router.of(ROLLOUT)).toBeUndefined();

  meters.leader.answered(ROLLOUT, answer);
  expect(leader.of(ROLLOUT)?.new.requests).toBe(3);
  leader.stop();
  router.stop();
});
