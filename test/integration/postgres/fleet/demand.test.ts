import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { DemandReports } from "../../../../control-plane/app/control-loop/demand-reports.ts";
import type { Demand, DemandReport } from "../../../../control-plane/core/scaling/demand.ts";
import { totalDemand } from "../../../../control-plane/core/scaling/demand.ts";
import type { Demands } from "../../../../control-plane/ports/demand.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { settle, TestClock } from "../../../support/test-clock.ts";
import { until } from "../../../support/processes/skerry-process.ts";
import { alice, connect, openStores, readyVersion, specOf } from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  await readyVersion(stores, "digits");
  await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
  for (const id of ["r-a", "r-b", "r-c"]) await stores.sessions.enter({ id, address: `${id}:7070` });
});
afterAll(async () => {
  await stores.close();
  await database.stop();
});

const demand = (over: Partial<Demand> = {}): Demand => ({
  ratePerS: 10,
  serviceMs: 12,
  waiting: 0,
  slots: 1,
  ...over,
});
const report = (replica: string, demands: Demands, hops: DemandReport["hops"] = new Map()): DemandReport => ({
  replica,
  demands,
  hops,
});
const of = (...demands: readonly (readonly [string, Demand])[]): Demands => new Map(demands);

it("is what the other replicas reported last, until they report none", async () => {
  const ofA = report("r-a", of(["digits", demand({ waiting: 3 })]), new Map([["r-b", 12.5]]));
  const ofB = report("r-b", of(["digits", demand({ serviceMs: undefined })]));
  await stores.demand.report(ofA);
  await stores.demand.report(ofB);
  expect(await stores.demand.ofOthers("r-a")).toEqual([ofB]);
  expect(await stores.demand.ofOthers("r-c")).toHaveLength(2);
  await stores.demand.report(report("r-b", of()));
  expect(await stores.demand.ofOthers("r-c")).toEqual([ofA]);
});

it("passes over deployments that are gone, and replicas that are", async () => {
  const known = report("r-a", of(["digits", demand()]));
  await stores.demand.report({ ...known, demands: of(["digits", demand()], ["forgotten", demand()]) });
  expect(await stores.demand.ofOthers("r-c")).toEqual([known]);
  await stores.demand.report({ ...known, replica: "r-nobody" });
  expect(await stores.demand.ofOthers("r-c")).toEqual([known]);
  await stores.sessions.leave("r-a");
  expect(await stores.demand.ofOthers("r-c")).toEqual([]);
});

it("is written when it changes, every 2 s at most, and read by the leader after that", async () => {
  const clock = new TestClock();
  const client = await connect(database.url);
  const written = async (): Promise<number> =>
    Number((await client.query("SELECT count(*) FROM demands WHERE replica = 'r-b'")).rows[0]?.count);
  let measured = of(["digits", demand()]);
  let hops = new Map([["r-c", 20]]);
  let statements = 0;
  const store = {
    report: (...args: Parameters<typeof stores.demand.report>) => {
      statements += 1;
      return stores.demand.report(...args);
    },
    ofOthers: (replica: string) => stores.demand.ofOthers(replica),
  };
  const parts = { store, clock, logger: silentLogger, hops: () => hops };
  const router = new DemandReports({ ...parts, replica: "r-b", measured: () => measured, isLeading: () => false });
  const leader = new DemandReports({
    ...parts,
    replica: "r-c",
    measured: () => of(["digits", demand({ ratePerS: 30 })]),
    isLeading: () => true,
  });
  router.start();
  await clock.advance(2_000);
  await until("it is written", async () => (await written()) === 1);
  leader.changed();
  await until("the leader knows", async () => totalDemand(leader.all()).get("digits")?.ratePerS === 40);
  // Noise is no change.
  measured = of(["digits", demand({ ratePerS: 10.04 })]);
  hops = new Map([["r-c", 23]]);
  await clock.advance(20_000);
  await settle();
  expect(statements).toBe(1);
  hops = new Map([["r-c", 45.3]]);
  await clock.advance(2_000);
  await until("the way is written", async () =>
    (await stores.demand.ofOthers("r-c")).some(({ hops: stored }) => stored.get("r-c") === 45),
  );
  expect(statements).toBe(2);
  leader.changed();
  await until("the leader knows it", async () => leader.all()[1]?.hops.get("r-c") === 45);
  expect(await router.ask()).toEqual([
    { replica: "r-b", demands: measured, hops },
    ...(await stores.demand.ofOthers("r-b")),
  ]);
  expect((await leader.ask())[1]).toEqual(leader.all()[1]);
  measured = of();
  await clock.advance(2_000);
  await until("its end is written", async () => (await written()) === 0);
  router.stop();
  leader.stop();
  await client.end();
});
