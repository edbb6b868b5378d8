import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import type { DeploymentFindings } from "../../../../shared/api/v1/deployments/deployments.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { alice, lead, openStores, readyVersion, specOf } from "../fixture.ts";

let database: TestDatabase;
let leader: PostgresStores;
let reader: PostgresStores;

beforeAll(async () => {
  database = await startTestDatabase();
  leader = await openStores(database.url);
  reader = await openStores(database.url);
  await readyVersion(leader);
  await leader.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
});
afterAll(async () => {
  await reader.close();
  await leader.close();
  await database.stop();
});

const findings: DeploymentFindings = {
  conditions: [{ type: "Ready", status: "False", reason: "NoReplicaReady", message: "0 of 1 replica ready" }],
  activeVersion: null,
  targetVersion: 1,
  edge: { wanted: 1, placed: 0, ready: 0 },
  cloud: { wanted: 0, placed: 0, ready: 0 },
  unplaced: ["digits:1: there is no edge node"],
};
const statusAt = async (stores: PostgresStores) => (await stores.fleet.load(0)).deployments[0]?.status;

it("writes a status that another replica reads, without a new row version", async () => {
  const fence = await lead(leader);
  expect(await statusAt(reader)).toBeUndefined();
  const before = await reader.deployments.rowVersion("digits");
  expect(await leader.plans.writeStatus(fence, { deployment: "digits", generation: 1, findings })).toBe("committed");
  expect(await statusAt(reader)).toEqual({ observedGeneration: 1, findings, at: expect.any(Number) });
  expect(await statusAt(reader)).toEqual(await statusAt(leader));
  expect(await reader.deployments.rowVersion("digits")).toBe(before);
});

it("keeps a status with the generation that it is about when the spec changes", async () => {
  const fence = await lead(leader);
  const spec = { ...specOf("digits"), slo: { p95Ms: 50, hedge: false } };
  await leader.deployments.put(spec, { actor: alice, ifMatch: undefined });
  expect(await statusAt(reader)).toMatchObject({ observedGeneration: 1, findings });
  expect(await leader.plans.writeStatus(fence, { deployment: "digits", generation: 1, findings })).toBe("stale");
});

it("refuses the status of a replica that leads no more", async () => {
  const fence = await lead(leader);
  const old = { ...fence, token: fence.token - 1n };
  expect(await leader.plans.writeStatus(old, { deployment: "digits", generation: 2, findings })).toBe("fenced");
});
