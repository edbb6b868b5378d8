import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { keyPair, keys } from "../../../../control-plane/adapters/system/ed25519.ts";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { versionAs } from "../../../../control-plane/core/fleet/versions/variants.ts";
import { Releases } from "../../../../control-plane/app/catalog/releases.ts";
import { keyIdOf, releaseText } from "../../../../shared/protocol/model-files/release.ts";
import { aFleet, aNode, aPlacement } from "../../../support/fleet/fleet-builder.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { newId } from "../../../../shared/base/ids.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { alice, checkedModel, declarationOf, event, openStores, readyVersion } from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let releases: Releases;
let fleet = aFleet({});
const signer = keyPair();
const by = { actor: alice, isForced: false };

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  releases = new Releases({ catalog: stores.catalog, keys, fleet: { snapshot: () => fleet } });
});
afterAll(async () => {
  await stores.close();
  await database.stop();
});

async function aRelease(model: string, over: { counter?: number; floor?: number; artifact?: string } = {}) {
  const { counter = 1, floor = 0 } = over;
  const artifact = over.artifact ?? (await stores.catalog.getVersion(model, 1))?.artifact ?? "";
  const signature = signer.sign(releaseText({ model, version: "1", artifact, counter, floor }));
  return { counter, floor, publicKey: signer.publicKey, signature };
}

describe("the release of a version", () => {
  it("is kept with its signature, reaches the fleet, and is an audit entry", async () => {
    await readyVersion(stores, "signed");
    const release = await aRelease("signed", { counter: 4, floor: 2 });
    expect((await releases.sign("signed", 1, release, by)).release).toEqual(release);
    const { versions } = await stores.fleet.load(0);
    expect(versions.find(({ model }) => model === "signed")?.release).toEqual(release);
    const [entry] = await stores.audit.list({ before: null, limit: 1 });
    expect(entry).toMatchObject({ action: "version.sign", target: "model/signed" });
    expect(JSON.parse(await releases.manifest("signed", 1))).toMatchObject({ model: "signed", version: "1" });
  });

  it("is refused when its signature is for something else, or it would withdraw itself", async () => {
    await readyVersion(stores, "other");
    const wrong = await aRelease("other", { artifact: `sha256:${"0".repeat(64)}` });
    await expect(releases.sign("other", 1, wrong, by)).rejects.toMatchObject({ code: "INVALID_REQUEST" });
    const own = await aRelease("other", { counter: 1, floor: 2 });
    await expect(releases.sign("other", 1, own, by)).rejects.toMatchObject({ code: "INVALID_REQUEST" });
    expect((await stores.catalog.getVersion("other", 1))?.release).toBeUndefined();
    await expect(releases.manifest("nobody", 1)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("is refused when nodes that run the version do not hold its key, with their names, unless it is forced", async () => {
    await readyVersion(stores, "served");
    const other = keyPair();
    const holds = (name: string, signingKeys: string[] | undefined) => {
      const node = aNode(name);
      return aNode(name, {
        capabilities: node.capabilities && { ...node.capabilities, ...(signingKeys && { signingKeys }) },
      });
    };
    const nodes = [
      holds("has-both", [keyIdOf(signer.publicKey), keyIdOf(other.publicKey)]),
      holds("has-old", [keyIdOf(other.publicKey)]),
      holds("takes-all", undefined),
      holds("has-failed", [keyIdOf(other.publicKey)]),
    ];
    const placements = nodes.map((node) =>
      aPlacement(node, { model: "served", ...(node.name === "has-failed" && { state: "failed" as const }) }),
    );
    fleet = aFleet({ nodes, placements });
    const release = await aRelease("served");
    await expect(releases.sign("served", 1, release, by)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/^has-old would stop served:1: they run it and do not hold the key/),
    });
    expect((await stores.catalog.getVersion("served", 1))?.release).toBeUndefined();
    expect((await releases.sign("served", 1, release, { ...by, isForced: true })).release).toEqual(release);
    fleet = aFleet({});
  });
});

describe("the release of a version with variants", () => {
  async function withVariant(model: string): Promise<{ readonly reference: string; readonly int8: string }> {
    await stores.catalog.createModel({ name: model, labels: {} }, alice);
    const uploadId = newId<string>("u", systemRandom);
    const { version } = (await stores.catalog.declareVersion(declarationOf(model, uploadId), alice)).version;
    await stores.catalog.beginCheck(uploadId);
    const { manifest, artifact, opset, irVersion } = checkedModel(model, version, "smaller");
    const accuracy = { samples: 8, agreement: 1, maxDifference: 0 };
    const int8 = { name: "int8", manifest, artifact, opset, irVersion, accuracy };
    const checked = { ...checkedModel(model, version), variants: [int8] };
    await stores.catalog.accept(uploadId, checked, event("checked"));
    return { reference: checked.artifact, int8: artifact };
  }

  it("has a signature for each, by which nodes are sent the one of theirs", async () => {
    const { reference, int8 } = await withVariant("both");
    const { signature: ofInt8, ...rest } = await aRelease("both", { artifact: int8 });
    const { signature } = await aRelease("both", { artifact: reference });
    const release = { ...rest, signature, variants: { int8: ofInt8 } };
    expect((await releases.sign("both", 1, release, by)).release).toEqual(release);
    const version = (await stores.fleet.load(0)).versions.find(({ model }) => model === "both");
    expect(version && versionAs(version, "int8").release).toEqual({ ...rest, signature: ofInt8 });
    expect(version && versionAs(version, "reference").release).toEqual({ ...rest, signature });
    expect(JSON.parse(await releases.manifest("both", 1, "int8"))).toMatchObject({ model: "both" });
    expect(await releases.manifest("both", 1, "int8")).not.toBe(await releases.manifest("both", 1));
    await expect(releases.manifest("both", 1, "int4")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("is refused with the name of the variant whose signature is missing, does not hold, or is of none", async () => {
    const { int8 } = await withVariant("partly");
    const own = await aRelease("partly");
    const ofInt8 = (await aRelease("partly", { artifact: int8 })).signature;
    for (const [variants, field] of [
      [undefined, "variants.int8"],
      [{ int8: own.signature }, "variants.int8"],
      [{ int8: ofInt8, int4: ofInt8 }, "variants.int4"],
    ] as const)
      await expect(releases.sign("partly", 1, { ...own, ...(variants && { variants }) }, by)).rejects.toMatchObject({
        code: "INVALID_REQUEST",
        message: expect.stringContaining(field),
      });
    expect((await stores.catalog.getVersion("partly", 1))?.release).toBeUndefined();
  });
});
