import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { CheckProcess } from "../../../control-plane/adapters/artifacts/check-process.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { chunksOf, mainFile, type Manifest } from "../../../shared/protocol/model-files/manifest.ts";
import { field, message, noise, onnx, tensor } from "../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";
import { ada, bundleOf, CatalogRig, pieces, sha256 } from "./catalog-rig.ts";

const DATA = noise(300_000, 9);
const entry = (key: string, text: string): Uint8Array => field(13, message(field(1, key), field(2, text)));
const graphOver = (location: string): Uint8Array =>
  onnx({
    initializers: [tensor("w", [75_000], entry("location", location), entry("length", "300000"), field(14, 1))],
  });
const GRAPH = graphOver("net.onnx.data");

let rig: CatalogRig;
let manifest: Manifest | undefined;
beforeEach(async () => {
  rig = await CatalogRig.open();
});
afterEach(() => rig.close());

/** A catalog that remembers the last manifest of a check. */
function start() {
  const real = new CheckProcess({ clock: systemClock });
  return rig.start({
    check: async (bundle, signal) => {
      const result = await real.check(bundle, signal);
      manifest = result.kind === "accepted" ? result.checked.manifest : undefined;
      return result;
    },
  });
}

async function declare(catalog: ReturnType<typeof start>, files: Record<string, Uint8Array>, main = "net.onnx") {
  if (!rig.rows.models.has("digits")) await catalog.createModel({ name: "digits", labels: {} }, ada);
  const { uploads } = await catalog.uploads.declare("digits", bundleOf(files, main), ada);
  return uploads.map(({ uploadUrl }) => uploadUrl.replace("/api/v1/uploads/", ""));
}

async function push(catalog: ReturnType<typeof start>, files: Record<string, Uint8Array>): Promise<void> {
  const ids = await declare(catalog, files);
  for (const [at, bytes] of Object.values(files).entries())
    await catalog.uploads.append(ids[at] ?? "", 0, pieces(bytes));
  await catalog.uploads.complete(ids[0] ?? "", ada);
  await catalog.idle();
}

describe("a document of an engine's model", () => {
  const publish = async (text: string): Promise<void> => {
    const catalog = start();
    await catalog.createModel({ name: "qwen", labels: {} }, ada);
    const bundle = { ...bundleOf({ "engine.json": Buffer.from(text) }, "engine.json"), runtime: "engine" as const };
    const { uploadUrl } = await catalog.uploads.declare("qwen", bundle, ada);
    const id = uploadUrl.replace("/api/v1/uploads/", "");
    await catalog.uploads.append(id, 0, pieces(Buffer.from(text)));
    await catalog.uploads.complete(id, ada);
    await catalog.idle();
    reason = (await catalog.getVersion("qwen", 1)).reason;
  };
  let reason: string | null;

  it("becomes a version that names it, with the tensors that it declares", async () => {
    const x = { name: "x", datatype: "FP32", shape: [-1, 4] };
    await publish(JSON.stringify({ model: "iris v2", kind: "tensors", inputs: [x], outputs: [{ ...x, name: "y" }] }));
    expect(manifest).toMatchObject({
      runtime: "engine",
      engine: { model: "iris v2", kind: "tensors" },
      inputs: [{ name: "x" }],
      outputs: [{ name: "y" }],
    });
  });

  it.each([
    ["[1]", /declares no model of an engine/],
    ["{", /is not valid JSON/],
    ['{"model": "m", "kind": "text", "kind": "text"}', /has the key `kind` twice/],
    ['{"model": "m", "kind": "tensors"}', /inputs: needed for a model of the kind tensors; outputs: needed/],
    ['{"model": "m\\nx", "kind": "text"}', /model: no line breaks or other controls/],
    ['{"model": "m", "kind": "text", "url": "http://x"}', /Unrecognized key: "url"/],
  ])("is rejected with the field at fault: %s", async (text, why) => {
    await publish(text);
    expect(reason).toMatch(why);
  });
});

describe("a bundle of a graph and its external data", () => {
  it("goes up file by file, each resumed alone, and becomes one version", async () => {
    const catalog = start();
    const [graph = "", data = ""] = await declare(catalog, { "net.onnx": GRAPH, "net.onnx.data": DATA });
    expect(data).toBe(`${graph}_1`);
    await catalog.uploads.append(data, 0, pieces(DATA.subarray(0, 100_000)));
    await expect(catalog.uploads.append(data, 0, pieces(DATA))).rejects.toMatchObject({ code: "UPLOAD_OFFSET" });
    await catalog.uploads.append(graph, 0, pieces(GRAPH));
    await expect(catalog.uploads.complete(graph, ada)).rejects.toMatchObject({
      code: "UPLOAD_INCOMPLETE",
      message: expect.stringContaining("file net.onnx.data, holds 100000 of the 300000 bytes"),
    });
    expect(await catalog.uploads.progress(data)).toEqual({ offset: 100_000, bytes: 300_000 });
    await catalog.uploads.append(data, 100_000, pieces(DATA.subarray(100_000)));
    await catalog.uploads.complete(data, ada);
    await catalog.idle();
    expect(await catalog.getVersion("digits", 1)).toMatchObject({
      state: "ready",
      bytes: GRAPH.length + DATA.length,
      main: "net.onnx",
      files: [{ path: "net.onnx" }, { path: "net.onnx.data", sha256: sha256(DATA) }],
    });
    expect(manifest && mainFile(manifest)).toBe("net.onnx");
    expect(manifest?.runtime).toBe("onnx");
    const chunks = chunksOf(manifest ?? ({ files: [] } as unknown as Manifest));
    expect(chunks.map(({ index }) => index)).toEqual(chunks.keys().toArray());
    expect(new Set(chunks.map((chunk) => chunk.file))).toEqual(new Set([0, 1]));
    expect(await rig.artifacts.uploadIds()).toEqual([]);
    expect((await readdir(join(rig.root, "files"))).toSorted()).toEqual([sha256(GRAPH), sha256(DATA)].toSorted());
  });

  it("gives its files back one by one", async () => {
    const catalog = start();
    await push(catalog, { "net.onnx": GRAPH, "net.onnx.data": DATA });
    await expect(catalog.artifact("digits", 1)).rejects.toMatchObject({
      code: "CONFLICT",
      message: "digits:1 has 2 files, name one as `file`: net.onnx, net.onnx.data",
    });
    await expect(catalog.artifact("digits", 1, "other")).rejects.toMatchObject({ code: "NOT_FOUND" });
    const blocks: Uint8Array[] = [];
    for await (const block of (await catalog.artifact("digits", 1, "net.onnx.data")).bytes) blocks.push(block);
    expect(sha256(Buffer.concat(blocks))).toBe(sha256(DATA));
  });

  it("is rejected with the tensor and the location when a file is missing or too short", async () => {
    const catalog = start();
    await push(catalog, { "net.onnx": graphOver("weights.bin"), "net.onnx.data": DATA });
    await push(catalog, { "net.onnx": GRAPH, "net.onnx.data": DATA.subarray(0, 299_999) });
    const [second, first] = await catalog.listVersions("digits");
    expect([first?.reason, second?.reason]).toEqual([
      'net.onnx: tensor "w" lies in "weights.bin" (external data), which is not a file of the bundle beside its graph: there are "net.onnx.data"',
      'net.onnx: tensor "w" in "net.onnx.data": bytes 0 to 300000 are named, and the file has 299999',
    ]);
    expect(await readdir(join(rig.root, "files"))).toEqual([]);
    expect(await rig.artifacts.uploadIds()).toEqual([]);
  });

  it("says which file was damaged", async () => {
    const catalog = start();
    const [graph = "", data = ""] = await declare(catalog, { "net.onnx": GRAPH, "net.onnx.data": DATA });
    await catalog.uploads.append(graph, 0, pieces(GRAPH));
    await catalog.uploads.append(data, 0, pieces(noise(300_000, 10)));
    await catalog.uploads.complete(graph, ada);
    await catalog.idle();
    expect((await catalog.getVersion("digits", 1)).reason).toMatch(/^net.onnx.data: the declared SHA-256 is/);
  });

  it("keeps a file that another version has too, and drops the others with their model", async () => {
    const catalog = start();
    await push(catalog, { "net.onnx": GRAPH, "net.onnx.data": DATA });
    await catalog.createModel({ name: "other", labels: {} }, ada);
    await catalog.uploads.declare("other", bundleOf({ "a.onnx": onnx(), "b.data": DATA }, "a.onnx"), ada);
    await catalog.deleteModel("digits", ada);
    expect(await readdir(join(rig.root, "files"))).toEqual([sha256(DATA)]);
  });

  it("is cleared away with all its parts when nobody finishes it", async () => {
    const catalog = start();
    const [graph = "", data = ""] = await declare(catalog, { "net.onnx": GRAPH, "net.onnx.data": DATA });
    await catalog.uploads.append(graph, 0, pieces(GRAPH));
    await catalog.uploads.append(data, 0, pieces(DATA.subarray(0, 7)));
    await writeFile(join(rig.root, "uploads", "u-gone_2.part"), "left behind");
    rig.rows.expire(graph);
    await rig.sweep(catalog);
    await rig.sweep(catalog);
    expect((await catalog.getVersion("digits", 1)).reason).toMatch(
      `upload expired: ${GRAPH.length + 7} of ${GRAPH.length + DATA.length} bytes had arrived`,
    );
    expect(await rig.artifacts.uploadIds()).toEqual([]);
  });
});
