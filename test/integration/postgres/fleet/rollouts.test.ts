import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { firstRecord } from "../../../../control-plane/core/rollout/start.ts";
import type { RolloutWrite } from "../../../../control-plane/ports/plan.ts";
import type { RolloutNode, RolloutRecord } from "../../../../shared/api/v1/rollouts/rollouts.ts";
import { aDeployment } from "../../../support/fleet/fleet-builder.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { alice, connect, joinNode, lead, openStores, placementOn, readyVersion, specOf } from "../fixture.ts";

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

const deployment = aDeployment({ name: "digits", model: "digits", version: 2, rollout: {} });
function aRecord(over: Partial<RolloutRecord> = {}): RolloutRecord {
  const versions = { from: 1, to: 2, declared: 2, by: "skerry" };
  const first = firstRecord(deployment, versions, { who: "skerry", at: "2026-01-01T00:00:00.000Z" });
  if (!first) throw new Error("no record");
  return { ...first.record, ...over };
}
const write = (over: Partial<RolloutWrite>): RolloutWrite => ({
  deployment: "digits",
  generation: 1,
  before: undefined,
  newest: undefined,
  next: undefined,
  events: [],
  ...over,
});
const rolloutAt = async (stores: PostgresStores) => (await stores.fleet.load(0)).deployments[0]?.rollout;

it("writes a rollout once, though two leaders decide it", async () => {
  const fence = await lead(leader);
  expect(await leader.plans.writeRollout(fence, write({ next: aRecord() }))).toBe("committed");
  expect(await rolloutAt(reader)).toMatchObject({ number: 1, revision: 1, record: aRecord(), endedAt: undefined });
  expect(await leader.plans.writeRollout(fence, write({ next: aRecord() }))).toBe("stale");
  const old = { ...fence, token: fence.token - 1n };
  const newest = aRecord({ phase: "staging" });
  const before = { number: 1, revision: 1, nodes: [] };
  expect(await leader.plans.writeRollout(old, write({ before, newest }))).toBe("fenced");
  expect(await leader.plans.writeRollout(fence, write({ before, newest, generation: 2 }))).toBe("stale");
  expect(await rolloutAt(reader)).toMatchObject({ number: 1, revision: 1, record: { phase: "pending" } });
});

it("raises the revision with each write, and starts the time of a phase with its first one", async () => {
  const fence = await lead(leader);
  const began = (await rolloutAt(reader))?.phaseAt ?? 0;
  const staging = aRecord({ phase: "staging" });
  await leader.plans.writeRollout(fence, write({ before: { number: 1, revision: 1, nodes: [] }, newest: staging }));
  const entered = await rolloutAt(reader);
  expect(entered).toMatchObject({ revision: 2, record: { phase: "staging" } });
  expect(entered?.phaseAt).toBeGreaterThan(began);
  const noted = { ...staging, reason: "a node is staged" };
  await leader.plans.writeRollout(fence, write({ before: { number: 1, revision: 2, nodes: [] }, newest: noted }));
  expect(await rolloutAt(reader)).toMatchObject({ revision: 3, phaseAt: entered?.phaseAt });
  const second = { ...noted, wave: 2 };
  await leader.plans.writeRollout(fence, write({ before: { number: 1, revision: 3, nodes: [] }, newest: second }));
  expect((await rolloutAt(reader))?.phaseAt).toBeGreaterThan(entered?.phaseAt ?? 0);
});

it("gives the nodes of the deployment new documents in another phase", async () => {
  const fence = await lead(leader);
  const nodeId = await joinNode(leader, "edge-a");
  const event = {
    type: "Normal",
    reason: "PlacementScheduled",
    object: "deployment/digits",
    message: "there",
  } as const;
  await leader.plans.createPlacements(fence, [{ placement: placementOn(nodeId), event }]);
  const revOf = async () => (await reader.fleet.load(0)).nodes[0]?.desiredRev ?? 0;
  const before = await revOf();
  const newest = aRecord({ phase: "switching", wave: 2 });
  await leader.plans.writeRollout(fence, write({ before: { number: 1, revision: 4, nodes: [] }, newest }));
  expect(await revOf()).toBe(before + 1);
  await leader.plans.writeRollout(
    fence,
    write({ before: { number: 1, revision: 5, nodes: [] }, newest: { ...newest, share: 1 } }),
  );
  expect(await revOf()).toBe(before + 1);
});

it("writes of the nodes those that a step changes, and no others", async () => {
  const fence = await lead(leader);
  const nodeOf = (name: string, state: RolloutNode["state"]): RolloutNode => ({
    nodeId: `n-${name}`,
    node: `edge-${name}`,
    wave: 1,
    state,
    since: "2026-01-01T00:00:00.000Z",
    why: null,
  });
  /** Takes the newest rollout to these nodes; returns the transaction that wrote each row last. */
  const rewrite = async (nodes: readonly RolloutNode[]): Promise<Readonly<Record<string, string>>> => {
    const present = await rolloutAt(leader);
    const { number = 0, revision = 0, record = aRecord() } = present ?? {};
    const before = { number, revision, nodes: record.nodes };
    const written = await leader.plans.writeRollout(fence, write({ before, newest: { ...record, nodes: [...nodes] } }));
    expect(written).toBe("committed");
    expect((await rolloutAt(reader))?.record.nodes).toEqual(nodes);
    expect((await reader.rollouts.history("digits"))[0]?.record.nodes).toEqual(nodes);
    const client = await connect(database.url);
    const { rows } = await client.query("SELECT node_id, xmin::text AS by FROM rollout_nodes ORDER BY node_id");
    await client.end();
    return Object.fromEntries((rows as { node_id: string; by: string }[]).map(({ node_id, by }) => [node_id, by]));
  };
  const first = await rewrite([nodeOf("a", "staging"), nodeOf("b", "staging"), nodeOf("c", "staging")]);
  const second = await rewrite([nodeOf("a", "staging"), nodeOf("b", "staged")]);
  expect(Object.keys(second)).toEqual(["n-a", "n-b"]);
  expect(second["n-a"]).toBe(first["n-a"]);
  expect(second["n-b"]).not.toBe(first["n-b"]);
  const third = await rewrite([]);
  expect(third).toEqual({});
});

it("writes what an operator did with its audit row, and not on an older revision", async () => {
  const events = [
    { type: "Normal", reason: "RolloutPaused", object: "deployment/digits", message: "by alice" } as const,
  ];
  const newest = aRecord({ phase: "paused" });
  const by = { action: "pause", why: "holiday", actor: alice };
  expect(await reader.rollouts.act(write({ before: { number: 1, revision: 8, nodes: [] }, newest, events }), by)).toBe(
    false,
  );
  expect(await reader.rollouts.act(write({ before: { number: 1, revision: 9, nodes: [] }, newest, events }), by)).toBe(
    true,
  );
  expect(await rolloutAt(leader)).toMatchObject({ revision: 10, record: { phase: "paused" } });
  expect((await reader.audit.list({ before: null, limit: 1 }))[0]).toMatchObject({
    actor: "alice",
    action: "rollout.pause",
    target: "deployment/digits",
    detail: { number: 1, why: "holiday" },
  });
});

it("keeps the rollouts that ended, and forgets them with their deployment", async () => {
  const fence = await lead(leader);
  const newest = aRecord({ phase: "rolled-back" });
  const next = aRecord({ to: 3 });
  await leader.plans.writeRollout(fence, write({ before: { number: 1, revision: 10, nodes: [] }, newest, next }));
  expect(
    (await reader.rollouts.history("digits")).map(({ number, record, endedAt }) => [
      number,
      record.to,
      endedAt !== null,
    ]),
  ).toEqual([
    [2, 3, false],
    [1, 2, true],
  ]);
  expect(await rolloutAt(reader)).toMatchObject({ number: 2, revision: 1 });
  await leader.deployments.delete("digits", { actor: alice, ifMatch: undefined });
  expect(await reader.rollouts.history("digits")).toEqual([]);
});
