import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { newId } from "../../../../shared/base/ids.ts";
import { manifestBytes } from "../../../../shared/protocol/model-files/manifest.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import {
  alice,
  checkedModel,
  connect,
  event,
  hashOf,
  messagesOf,
  openStores,
  readyVersion,
  specOf,
  declarationOf,
} from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let sql: pg.Client;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  sql = await connect(database.url);
});
afterAll(async () => {
  await sql.end();
  await stores.close();
  await database.stop();
});

const create = (name: string, labels = {}) => stores.catalog.createModel({ name, labels }, alice);

async function declare(model: string): Promise<string> {
  const uploadId = newId<string>("u", systemRandom);
  await stores.catalog.declareVersion(
    { ...declarationOf(model, uploadId), labels: { from: "ci" }, metrics: { accuracy: 0.99 } },
    alice,
  );
  return uploadId;
}

describe("models", () => {
  it("are created once, labelled, listed by name", async () => {
    expect(await create("letters", { team: "vision" })).toMatchObject({
      name: "letters",
      labels: { team: "vision" },
      aliases: {},
      latestVersion: null,
    });
    await expect(create("letters")).rejects.toMatchObject({ code: "CONFLICT" });
    await create("faces");
    expect(await stores.catalog.patchModel("letters", { team: "text" }, alice)).toMatchObject({
      labels: { team: "text" },
    });
    await expect(stores.catalog.patchModel("nothing", {}, alice)).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await stores.catalog.listModels()).map(({ name }) => name)).toEqual(["faces", "letters"]);
    expect(await stores.catalog.getModel("nothing")).toBeNull();
  });

  it("cannot be deleted while a deployment uses them", async () => {
    await readyVersion(stores, "busy");
    for (const name of ["busy-b", "busy-a"])
      await stores.deployments.put(specOf(name, { model: "busy" }), { actor: alice, ifMatch: undefined });
    await expect(stores.catalog.deleteModel("busy", alice)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("busy-a, busy-b"),
    });
    await expect(stores.catalog.deleteModel("nothing", alice)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("take versions, aliases, uploads and artifacts with them", async () => {
    const version = await readyVersion(stores, "gone");
    const artifact = (await stores.catalog.getVersion("gone", version))?.artifact ?? "";
    await stores.catalog.moveAlias(
      { model: "gone", alias: "champion", version, ifMatch: null },
      { actor: alice, event: event("moved") },
    );
    const upload = await declare("gone");
    await stores.catalog.deleteModel("gone", alice);
    expect(await stores.catalog.getModel("gone")).toBeNull();
    expect(await stores.catalog.listVersions("gone")).toEqual([]);
    expect(await stores.catalog.manifest(artifact)).toBeNull();
    expect(await stores.catalog.upload(upload)).toBeNull();
    expect((await sql.query("SELECT 1 FROM chunks WHERE artifact_digest = $1", [artifact])).rowCount).toBe(0);
  });

  it("never vanish under a deployment that is declared at the same time", async () => {
    for (let round = 0; round < 10; round++) {
      const name = `race-${round}`;
      await create(name);
      const [put, deleted] = await Promise.allSettled([
        stores.deployments.put(specOf(name, { model: name }), { actor: alice, ifMatch: undefined }),
        stores.catalog.deleteModel(name, alice),
      ]);
      expect([put.status, deleted.status].toSorted()).toEqual(["fulfilled", "rejected"]);
    }
  });
});

describe("versions", () => {
  it("are numbered one after the other, also when twenty are declared at once", async () => {
    await create("numbers");
    await Promise.all(Array.from({ length: 20 }, () => declare("numbers")));
    const versions = await stores.catalog.listVersions("numbers");
    expect(versions.map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(versions[0]).toMatchObject({
      state: "uploading",
      digest: `sha256:${hashOf("weights")}`,
      bytes: 7,
      labels: { from: "ci" },
      metrics: { accuracy: 0.99 },
    });
    expect(await stores.catalog.getModel("numbers")).toMatchObject({ latestVersion: 20 });
    await expect(declare("nothing")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("go from uploading over checking to ready, and then have an artifact and no upload", async () => {
    await create("path");
    const upload = await declare("path");
    expect(await stores.catalog.upload(upload)).toEqual({
      id: upload,
      model: "path",
      version: 1,
      bytes: 7,
      runtime: "onnx",
      main: "model.onnx",
      files: [{ path: "model.onnx", bytes: 7, sha256: hashOf("weights") }],
      state: "uploading",
      repairs: undefined,
    });
    const checked = checkedModel("path", 1);
    await expect(stores.catalog.accept(upload, checked, event("too soon"))).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await stores.catalog.beginCheck(upload)).toBe(true);
    expect(await stores.catalog.beginCheck(upload)).toBe(false);
    await stores.catalog.accept(upload, checked, event("path:1 was checked"));
    expect(await stores.catalog.getVersion("path", 1)).toMatchObject({
      state: "ready",
      artifact: checked.artifact,
      opset: 17,
      irVersion: 8,
      inputs: checked.inputs,
      outputs: checked.outputs,
    });
    expect(await stores.catalog.manifest(checked.artifact)).toBe(manifestBytes(checked.manifest));
    expect(await stores.catalog.upload(upload)).toBeNull();
    expect(
      (await sql.query("SELECT index, sha256, length FROM chunks WHERE artifact_digest = $1", [checked.artifact])).rows,
    ).toEqual([{ index: 0, sha256: hashOf("weights"), length: 7 }]);
    expect(await messagesOf(stores)).toContain("path:1 was checked");
    await expect(stores.catalog.accept(upload, checked, event("twice"))).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("of a version that has lost its bytes are declared for that version, which stays ready", async () => {
    await create("lost");
    const upload = await declare("lost");
    await stores.catalog.beginCheck(upload);
    const checked = checkedModel("lost", 1);
    await stores.catalog.accept(upload, checked, event("lost:1 was checked"));
    const damage = "its file model.onnx is missing from the artifact store";
    await stores.catalog.setDamage({ model: "lost", version: 1 }, damage, event("lost:1 is damaged"));

    const again = (id: string) => stores.catalog.declareVersion(declarationOf("lost", id), alice);
    const repair = newId<string>("u", systemRandom);
    expect(await again(repair)).toMatchObject({ version: { version: 1, state: "ready" }, uploadId: repair });
    expect((await again(newId<string>("u", systemRandom))).uploadId).toBe(repair);
    const row = { id: repair, version: 1, state: "uploading", repairs: checked.artifact };
    expect(await stores.catalog.uploadOf("lost", 1)).toMatchObject(row);
    expect((await stores.catalog.listVersions("lost")).map(({ version }) => version)).toEqual([1]);

    expect(await stores.catalog.beginCheck(repair)).toBe(true);
    expect(await stores.catalog.unfinishedUploads()).toContainEqual({
      id: repair,
      state: "ready",
      expired: false,
      isRepair: true,
    });
    await stores.catalog.reject(repair, "other bytes", event("lost:1 was not repaired"));
    expect(await stores.catalog.upload(repair)).toBeNull();
    expect(await stores.catalog.getVersion("lost", 1)).toMatchObject({ state: "ready", damage });

    const second = await again(newId<string>("u", systemRandom));
    await stores.catalog.accept(second.uploadId, checked, event("lost:1 was repaired"));
    await stores.catalog.setDamage({ model: "lost", version: 1 }, null, event("lost:1 is whole"));
    expect((await again(newId<string>("u", systemRandom))).version).toMatchObject({ version: 2, state: "uploading" });
  });

  it("are rejected with their reason, once", async () => {
    await create("bad");
    const upload = await declare("bad");
    await stores.catalog.reject(upload, "it is a picture", event("bad:1 was rejected"));
    await stores.catalog.reject(upload, "it is a song", event("bad:1 was rejected twice"));
    expect(await stores.catalog.getVersion("bad", 1)).toMatchObject({
      state: "rejected",
      reason: "it is a picture",
      artifact: null,
    });
    expect(await messagesOf(stores)).not.toContain("bad:1 was rejected twice");
  });

  it("whose check was interrupted or whose upload is past its life are found", async () => {
    await create("left");
    const [late, checking] = [await declare("left"), await declare("left"), await declare("left")];
    await sql.query("UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1", [late]);
    await stores.catalog.beginCheck(checking);
    const unfinished = (await stores.catalog.unfinishedUploads()).filter(({ id }) => [late, checking].includes(id));
    expect(unfinished).toEqual([
      { id: late, state: "uploading", expired: true, isRepair: false },
      { id: checking, state: "checking", expired: false, isRepair: false },
    ]);
  });

  it("of 10,000 chunks are accepted, which is 2 GiB and more", async () => {
    await create("big");
    const upload = await declare("big");
    await stores.catalog.beginCheck(upload);
    const checked = checkedModel("big", 1);
    const [file] = checked.manifest.files;
    const chunks = Array.from({ length: 10_000 }, (_, index): [number, string] => [262_144, hashOf(String(index))]);
    const manifest = { ...checked.manifest, files: file ? [{ ...file, size: 10_000 * 262_144, chunks }] : [] };
    await stores.catalog.accept(upload, { ...checked, manifest }, event("big:1 was checked"));
    expect(
      (await sql.query("SELECT count(*)::int AS count FROM chunks WHERE artifact_digest = $1", [checked.artifact]))
        .rows,
    ).toEqual([{ count: 10_000 }]);
  });
});

describe("moveAlias", () => {
  const move = (version: number, ifMatch: number | null | undefined, alias = "champion") =>
    stores.catalog.moveAlias(
      { model: "digits", alias, version, ifMatch },
      { actor: alice, event: event(`${alias} names ${version}`) },
    );
  const champion = async () => (await stores.catalog.getModel("digits"))?.aliases["champion"];

  beforeAll(async () => {
    await readyVersion(stores);
    await readyVersion(stores);
  });

  it("compares what the caller read before it moves", async () => {
    await expect(move(1, 1)).rejects.toMatchObject({ code: "STALE_ETAG" });
    await move(1, null);
    await expect(move(2, null)).rejects.toMatchObject({ code: "STALE_ETAG" });
    await expect(move(2, 2)).rejects.toMatchObject({ code: "STALE_ETAG" });
    await move(2, 1);
    expect(await champion()).toBe(2);
    await move(1, undefined);
    expect(await champion()).toBe(1);
    expect((await stores.fleet.load(0)).aliases).toContainEqual({ model: "digits", alias: "champion", version: 1 });
  });

  it("lets a version have eight aliases, names them when a ninth is refused, and lets one that is there stay", async () => {
    await readyVersion(stores);
    for (let index = 1; index <= 8; index += 1) await move(3, null, `name-${index}`);
    await expect(move(3, null, "name-9")).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("name-1, name-2"),
    });
    await move(3, 3, "name-8");
    await move(1, 3, "name-8");
    await move(3, null, "name-9");
  });

  it("lets one of two through who read the same", async () => {
    const both = await Promise.allSettled([move(2, null, "rival"), move(1, null, "rival")]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });

  it("names only what exists and is ready", async () => {
    await declare("digits");
    await expect(move(3, undefined)).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(move(9, undefined)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(
      stores.catalog.moveAlias(
        { model: "nothing", alias: "a", version: 1, ifMatch: undefined },
        { actor: alice, event: event("x") },
      ),
    ).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
