import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import type { LeaderFence } from "../../../control-plane/ports/plan.ts";
import { rolloutSpec } from "../../../shared/api/v1/rollouts/rollout-spec.ts";
import { firstRecord } from "../../../control-plane/core/rollout/start.ts";
import { aDeployment } from "../../support/fleet/fleet-builder.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { newId } from "../../../shared/base/ids.ts";
import { systemRandom } from "../../../shared/base/random.ts";
import {
  alice,
  checkedModel,
  connect,
  declarationOf,
  event,
  lead,
  makeToken,
  openStores,
  readyVersion,
  specOf,
} from "./fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let fence: LeaderFence;
let sql: pg.Client;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  fence = await lead(stores);
  sql = await connect(database.url);
});
afterAll(async () => {
  await sql.end();
  await stores.close();
  await database.stop();
});

const count = async (table: string): Promise<number> =>
  Number((await sql.query(`SELECT count(*) AS n FROM ${table}`)).rows[0].n);
const moveTo = (model: string, alias: string, version: number): Promise<void> =>
  stores.catalog.moveAlias({ model, alias, version, ifMatch: undefined }, { actor: alice, event: event("moved") });

/** The next version of an existing model, which its check refused. */
async function rejectedVersion(model: string): Promise<number> {
  const uploadId = newId<string>("u", systemRandom);
  const { version } = (await stores.catalog.declareVersion(declarationOf(model, uploadId), alice)).version;
  await stores.catalog.beginCheck(uploadId);
  await stores.catalog.reject(uploadId, "it is no model", event("rejected"));
  return version;
}

describe("deleteVersion", () => {
  it("is refused while an alias or a deployment needs it, and names them", async () => {
    const version = await readyVersion(stores, "busy");
    await moveTo("busy", "champion", version);
    await stores.deployments.put(specOf("shop", { model: "busy", version }), { actor: alice, ifMatch: undefined });
    const refused = stores.catalog.deleteVersion({ model: "busy", version }, alice);
    await expect(refused).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/the alias champion.*the deployment shop/),
    });
  });

  it("is refused while a rollout may return to it, and possible when that is over", async () => {
    const version = await readyVersion(stores, "walked");
    const spec = { ...specOf("walk", { model: "walked", version: 2 }), rollout: rolloutSpec.parse({}) };
    await stores.deployments.put(spec, { actor: alice, ifMatch: undefined });
    const deployment = aDeployment(spec);
    const versions = { from: version, to: 2, declared: 2, by: "skerry" };
    const next = firstRecord(deployment, versions, { who: "skerry", at: "2026-01-01T00:00:00.000Z" })?.record;
    const write = { deployment: "walk", generation: 1, before: undefined, newest: undefined, next, events: [] };
    await stores.plans.writeRollout(fence, write);
    await expect(stores.catalog.deleteVersion({ model: "walked", version }, alice)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("the rollout of walk"),
    });
    const newest = next && { ...next, phase: "promoted" as const };
    await stores.plans.writeRollout(fence, {
      ...write,
      before: { number: 1, revision: 1, nodes: [] },
      newest,
      next: undefined,
    });
    await stores.catalog.deleteVersion({ model: "walked", version }, alice);
  });

  it("takes the artifact along, and its number is never given again", async () => {
    const version = await readyVersion(stores, "gone");
    const artifact = (await stores.catalog.getVersion("gone", version))?.artifact ?? "";
    await stores.catalog.deleteVersion({ model: "gone", version }, alice);
    expect(await stores.catalog.manifest(artifact)).toBeNull();
    expect([await stores.catalog.listVersions("gone"), await stores.catalog.getVersion("gone", version)]).toEqual([
      [],
      null,
    ]);
    expect((await stores.catalog.getModel("gone"))?.latestVersion).toBeNull();
    expect(await readyVersion(stores, "gone")).toBe(version + 1);
    await expect(stores.catalog.deleteVersion({ model: "gone", version }, alice)).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    expect((await stores.audit.list({ before: null, limit: 50 })).map(({ action }) => action)).toContain(
      "version.delete",
    );
  });
});

describe("a version with variants", () => {
  const withVariant = async (model: string) => {
    await stores.catalog.createModel({ name: model, labels: {} }, alice);
    const uploadId = newId<string>("u", systemRandom);
    const { version } = (await stores.catalog.declareVersion(declarationOf(model, uploadId), alice)).version;
    await stores.catalog.beginCheck(uploadId);
    const accuracy = { samples: 8, agreement: 1, maxDifference: 0.25 };
    const { manifest, artifact, opset, irVersion } = checkedModel(model, version, "smaller");
    const int8 = {
      name: "int8",
      manifest: { ...manifest, main: "model.int8.onnx" },
      artifact,
      opset,
      irVersion,
      accuracy,
    };
    const checked = { ...checkedModel(model, version), variants: [int8] };
    await stores.catalog.accept(uploadId, checked, event("checked"));
    return { version, artifacts: [checked.artifact, artifact] };
  };
  const kept = (artifacts: readonly string[]) =>
    Promise.all(artifacts.map(async (artifact) => (await stores.catalog.manifest(artifact)) !== null));

  it("keeps them with their figures, and its own bytes for each", async () => {
    const { version, artifacts } = await withVariant("varied");
    const found = await stores.catalog.getVersion("varied", version);
    expect(found?.variants).toMatchObject([
      { name: "reference", main: "model.onnx", bytes: 7, artifact: artifacts[0], accuracy: null },
      { name: "int8", main: "model.int8.onnx", artifact: artifacts[1], accuracy: { samples: 8, maxDifference: 0.25 } },
    ]);
    expect((await stores.catalog.storedVersions()).find(({ model }) => model === "varied")?.artifacts).toEqual(
      expect.arrayContaining(artifacts),
    );
  });

  it.each([
    ["version", (model: string, version: number) => stores.catalog.deleteVersion({ model, version }, alice)],
    ["model", (model: string) => stores.catalog.deleteModel(model, alice)],
  ])(
    "takes all their artifacts along when the %s is deleted",
    async (what, remove: (model: string, version: number) => Promise<void>) => {
      const { version, artifacts } = await withVariant(`leaves-with-${what}`);
      expect(await kept(artifacts)).toEqual([true, true]);
      await remove(`leaves-with-${what}`, version);
      expect(await kept(artifacts)).toEqual([false, false]);
    },
  );
});

describe("deleteAlias", () => {
  it("is refused while a deployment asks for it", async () => {
    const version = await readyVersion(stores, "named");
    await moveTo("named", "champion", version);
    await moveTo("named", "trial", version);
    const spec = specOf("asks", { model: "named", version: "champion" });
    await stores.deployments.put(spec, { actor: alice, ifMatch: undefined });
    await expect(stores.catalog.deleteAlias({ model: "named", alias: "champion" }, alice)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("asks"),
    });
    await stores.catalog.deleteAlias({ model: "named", alias: "trial" }, alice);
    expect((await stores.catalog.getModel("named"))?.aliases).toEqual({ champion: version });
  });
});

describe("retention", () => {
  const KEEP = { eventDays: 30, auditDays: 365, leftoverDays: 30 };

  it("deletes what is older than the operator keeps, in batches, and nothing else", async () => {
    await sql.query(`INSERT INTO events (at, type, reason, object, message)
      SELECT now() - interval '31 days', 'Normal', 'Old', 'test/it', 'old' FROM generate_series(1, 1500)`);
    const token = await makeToken(stores);
    await sql.query(`UPDATE join_tokens SET expires_at = now() - interval '31 days' WHERE id = $1`, [token]);
    await makeToken(stores);
    const events = await count("events");
    expect(await stores.retention.sweep({ ...fence, token: fence.token - 1n }, KEEP)).toBe(0);
    expect(await stores.retention.sweep(fence, KEEP)).toBe(1_001);
    expect(await stores.retention.sweep(fence, KEEP)).toBe(500);
    expect(await stores.retention.sweep(fence, KEEP)).toBe(0);
    expect([await count("events"), await count("join_tokens")]).toEqual([events - 1_500, 1]);
  });

  it("deletes rejected versions, whose numbers are never given again, and no others", async () => {
    const kept = await readyVersion(stores, "mixed");
    const rejected = await rejectedVersion("mixed");
    const late = await rejectedVersion("mixed");
    await sql.query(
      `UPDATE model_versions SET created_at = now() - interval '31 days' WHERE model_name = 'mixed' AND version IN ($1, $2)`,
      [kept, rejected],
    );
    expect(await stores.retention.sweep(fence, KEEP)).toBe(1);
    const listed = (await stores.catalog.listVersions("mixed")).map(({ version, state }) => [version, state]);
    expect(Object.fromEntries(listed)).toEqual({ [kept]: "ready", [late]: "rejected" });
    expect(await readyVersion(stores, "mixed")).toBe(late + 1);
  });
});
