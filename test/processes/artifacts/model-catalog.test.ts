import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { CheckProcess } from "../../../control-plane/adapters/artifacts/check-process.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { MODEL_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import {
  classifier,
  FLOAT,
  noise,
  onnx,
  onnxWithWeights,
  tensor,
  tensorType,
  value,
} from "../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";
import { scaleModel } from "../../support/models/onnx/onnx-models.ts";
import { ada, bundleOf, CatalogRig, pieces, sha256 } from "./catalog-rig.ts";

let rig: CatalogRig;

beforeEach(async () => {
  rig = await CatalogRig.open();
});
afterEach(() => rig.close());

describe("a version on its way into the catalog", () => {
  it("is declared, uploaded in pieces, checked aside and then ready", async () => {
    const catalog = rig.start();
    const bytes = onnxWithWeights(noise(300_000, 1));
    const id = await rig.declare(catalog, bytes);
    expect(await catalog.uploads.append(id, 0, pieces(bytes.subarray(0, 100_000)))).toEqual({
      offset: 100_000,
      bytes: bytes.length,
    });
    expect(await catalog.uploads.progress(id)).toEqual({ offset: 100_000, bytes: bytes.length });
    await catalog.uploads.append(id, 100_000, pieces(bytes.subarray(100_000)));
    expect(await catalog.uploads.complete(id, ada)).toMatchObject({ model: "digits", version: 1, state: "checking" });
    expect(await catalog.uploads.complete(id, ada)).toMatchObject({ state: "checking" });
    await expect(catalog.uploads.append(id, bytes.length, pieces(noise(1, 1)))).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await catalog.idle();
    expect(await catalog.getVersion("digits", 1)).toMatchObject({
      state: "ready",
      opset: 17,
      producer: "by-hand 1.2",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    });
    expect(rig.eventTexts()).toEqual(["ModelVersionReady model/digits: digits:1 was checked and may be placed"]);
    expect(await rig.artifacts.uploadIds()).toEqual([]);
    await expect(catalog.uploads.progress(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("of a classifier gets tensors for its maps, keeps the digest of what was sent, and leaves the edited file behind alone", async () => {
    const catalog = rig.start();
    const bytes = classifier(["no", "maybe", "yes"]);
    await rig.push(catalog, bytes);
    await catalog.idle();
    const version = await catalog.getVersion("digits", 1);
    expect(version).toMatchObject({
      state: "ready",
      digest: `sha256:${sha256(bytes)}`,
      outputs: [
        { name: "probabilities", shape: [-1, 3], parameters: { classes: ["no", "maybe", "yes"] } },
        { name: "y", shape: [-1, 3] },
      ],
    });
    expect(rig.eventTexts()).toEqual([
      "ModelVersionReady model/digits: digits:1 was checked and may be placed; the ZipMap before probabilities was cut: it is a tensor with a column for each class",
    ]);
    const [file] = version.files;
    expect(file?.sha256).not.toBe(sha256(bytes));
    const blocks: Uint8Array[] = [];
    for await (const block of (await catalog.artifact("digits", 1)).bytes) blocks.push(block);
    expect(sha256(Buffer.concat(blocks))).toBe(file?.sha256);
    expect(await readdir(join(rig.root, "files"))).toEqual([file?.sha256]);
    expect(await rig.artifacts.uploadIds()).toEqual([]);
  });

  it("with default values of inputs makes these optional, and says which stay constants", async () => {
    const catalog = rig.start();
    await rig.push(catalog, scaleModel());
    await catalog.idle();
    const version = await catalog.getVersion("digits", 1);
    expect(version).toMatchObject({ state: "ready", notes: [] });
    expect(version.inputs.map(({ name, parameters }) => [name, parameters?.optional])).toEqual([
      ["x", undefined],
      ["w", true],
      ["b", true],
    ]);
    expect(rig.eventTexts().at(-1)).toContain("w and b may be left out");
    const large = tensor("w", [2_000]);
    const x = value("x", tensorType(FLOAT, ["n", 2]));
    await rig.push(catalog, onnx({ inputs: [x, value("w", tensorType(FLOAT, [2_000]))], initializers: [large] }));
    await catalog.idle();
    const kept = await catalog.getVersion("digits", 2);
    expect(kept.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(kept.notes).toEqual([
      'input "w" has a default value that has more than 4096 bytes: it stays a constant and cannot be given',
    ]);
  });

  it("can be downloaded once it is ready, and not before", async () => {
    const catalog = rig.start();
    const bytes = onnx();
    const id = await rig.declare(catalog, bytes);
    await expect(catalog.artifact("digits", 1)).rejects.toMatchObject({
      code: "CONFLICT",
      message: "digits:1 is uploading: only the file of a checked version can be downloaded",
    });
    await catalog.uploads.append(id, 0, pieces(bytes));
    await catalog.uploads.complete(id, ada);
    await catalog.idle();
    const download = await catalog.artifact("digits", 1);
    const blocks: Uint8Array[] = [];
    for await (const block of download.bytes) blocks.push(block);
    expect(sha256(Buffer.concat(blocks))).toBe(sha256(bytes));
    expect(download.version.digest).toBe(`sha256:${sha256(bytes)}`);
  });

  it("is not completed with fewer bytes than declared: it stays uploading and may go on", async () => {
    const catalog = rig.start();
    const bytes = onnx();
    const id = await rig.declare(catalog, bytes);
    await catalog.uploads.append(id, 0, pieces(bytes.subarray(0, 40)));
    await expect(catalog.uploads.complete(id, ada)).rejects.toMatchObject({
      code: "UPLOAD_INCOMPLETE",
      message: `upload ${id} of digits:1 holds 40 of the ${bytes.length} bytes that were declared`,
    });
    expect((await catalog.getVersion("digits", 1)).state).toBe("uploading");
    await catalog.uploads.append(id, 40, pieces(bytes.subarray(40)));
    await catalog.uploads.complete(id, ada);
    await catalog.idle();
    expect((await catalog.getVersion("digits", 1)).state).toBe("ready");
  });

  it("is rejected with a reason when its bytes are others, or no model", async () => {
    const catalog = rig.start();
    await rig.push(catalog, onnx(), { sha256: "0".repeat(64) });
    await rig.push(catalog, new TextEncoder().encode("{}"));
    await catalog.idle();
    expect(
      (await catalog.listVersions("digits")).map(({ version, state, reason }) => [version, state, reason]),
    ).toEqual([
      [2, "rejected", "this is JSON: export the model as ONNX"],
      [1, "rejected", expect.stringMatching(/^the declared SHA-256 is 0{64}, that of the \d+ bytes is [0-9a-f]{64}/)],
    ]);
    expect(rig.rows.events.map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      "Warning ModelVersionRejected",
      "Warning ModelVersionRejected",
    ]);
    expect(await rig.artifacts.uploadIds()).toEqual([]);
    expect(await readdir(join(rig.root, "files"))).toEqual([]);
  });

  it("takes what an interrupted connection left and goes on there", async () => {
    const catalog = rig.start();
    const bytes = onnx();
    const id = await rig.declare(catalog, bytes);
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 60);
      throw new Error("aborted");
    }
    await expect(catalog.uploads.append(id, 0, cut())).rejects.toThrow("aborted");
    expect((await catalog.uploads.progress(id)).offset).toBe(60);
    await expect(catalog.uploads.append(id, 0, pieces(bytes))).rejects.toMatchObject({ code: "UPLOAD_OFFSET" });
  });

  it("says which upload or model does not exist", async () => {
    const catalog = rig.start();
    await expect(catalog.uploads.append("u-none", 0, pieces())).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(catalog.uploads.complete("u-none", ada)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(catalog.getModel("none")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "there is no model none",
    });
    await catalog.createModel({ name: "digits", labels: {} }, ada);
    await expect(catalog.getVersion("digits", 7)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "model digits has no version 7",
    });
    await expect(catalog.listVersions("none")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("an alias", () => {
  it("moves by compare-and-set and leaves an event", async () => {
    const catalog = rig.start();
    await rig.push(catalog, onnx());
    await rig.push(catalog, onnx());
    await catalog.idle();
    const to = (version: number, ifMatch: number | null | "exists" | undefined) =>
      catalog.moveAlias({ model: "digits", alias: "champion", version, ifMatch }, ada);
    await expect(to(1, "exists")).rejects.toMatchObject({ code: "STALE_ETAG" });
    expect(await to(1, null)).toEqual({ model: "digits", alias: "champion", version: 1 });
    await expect(to(2, null)).rejects.toMatchObject({ code: "STALE_ETAG" });
    await to(2, 1);
    await to(1, "exists");
    expect(rig.eventTexts().filter((text) => text.startsWith("Alias"))).toEqual([
      "AliasMoved model/digits: ada let champion name digits:1",
      "AliasMoved model/digits: ada let champion name digits:2; before, it named digits:1",
      "AliasMoved model/digits: ada let champion name digits:1; before, it named digits:2",
    ]);
  });
});

describe("a model that is deleted", () => {
  it("takes its files along, but not those that another model has too", async () => {
    const catalog = rig.start();
    const shared = onnx();
    const own = onnxWithWeights(noise(1_000, 5));
    await rig.push(catalog, shared);
    await rig.push(catalog, own);
    await catalog.createModel({ name: "other", labels: {} }, ada);
    await catalog.uploads.declare("other", bundleOf({ [MODEL_FILE]: shared }), ada);
    await catalog.idle();
    expect((await readdir(join(rig.root, "files"))).length).toBe(2);
    await catalog.deleteModel("digits", ada);
    expect(await readdir(join(rig.root, "files"))).toEqual([sha256(shared)]);
  });

  it("leaves nothing behind of a version that was in its check", async () => {
    const gate = Promise.withResolvers<void>();
    const real = new CheckProcess({ clock: systemClock });
    const catalog = rig.start({ check: (file, signal) => gate.promise.then(() => real.check(file, signal)) });
    await rig.push(catalog, onnx());
    await catalog.deleteModel("digits", ada);
    gate.resolve();
    await catalog.idle();
    expect(await rig.artifacts.uploadIds()).toEqual([]);
    expect(await readdir(join(rig.root, "files"))).toEqual([]);
  });
});
