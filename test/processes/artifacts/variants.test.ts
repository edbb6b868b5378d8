import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { CheckProcess } from "../../../control-plane/adapters/artifacts/check-process.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { artifactDigest } from "../../../shared/protocol/model-files/manifest.ts";
import { constant, int64s, model } from "../../support/models/onnx/onnx-builder.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { fp16LayerModel, int8LayerModel, layerInputs, layerModel } from "../../support/models/onnx/variant-models.ts";
import { floats, npz } from "../../unit/cli/support/npz.ts";

const ROWS = 100;
const SAMPLES = npz({ x: floats([ROWS, 32], [...layerInputs(ROWS)]) });
const yaml = (...lines: readonly string[]): Uint8Array => new TextEncoder().encode(`${lines.join("\n")}\n`);
const TWO = yaml("variants:", "  - { name: int8, file: model.int8.onnx }", "  - { name: fp16, file: model.fp16.onnx }");
const INT8 = yaml("variants: [{ name: int8, file: model.int8.onnx }]");

let directory: string;
let checks: CheckProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-variants-"));
  checks = new CheckProcess({ clock: systemClock, trial: { dataDir: directory } });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Checks a bundle whose main graph is the layer, unless said otherwise. */
async function checked(given: Readonly<Record<string, Uint8Array | undefined>>) {
  const folder = await mkdtemp(join(directory, "bundle-"));
  const all = { "model.onnx": layerModel(), "samples.npz": SAMPLES, ...given };
  const files = [];
  for (const [index, [name, bytes]] of Object.entries(all).entries()) {
    if (bytes === undefined) continue;
    const path = join(folder, `u_1.${index}.part`);
    await writeFile(path, bytes);
    files.push({ name, path, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  }
  const bundle = { model: "layer", version: 3, main: "model.onnx", files, editedPath: join(folder, "edited.part") };
  const result = await checks.check(bundle);
  // Nothing is left beside the uploads.
  expect((await readdir(folder)).toSorted()).toEqual(files.map(({ path }) => path.slice(folder.length + 1)).toSorted());
  return result;
}

async function refused(given: Readonly<Record<string, Uint8Array | undefined>>): Promise<string> {
  const result = await checked(given);
  return result.kind === "rejected" ? result.reason : "it was accepted";
}

describe("the check of a version with variants", () => {
  it("runs all graphs on the samples and makes a manifest for each, with its own files alone", async () => {
    const result = await checked({
      "variants.yaml": TWO,
      "model.int8.onnx": int8LayerModel(),
      "model.fp16.onnx": fp16LayerModel(),
      "labels.txt": yaml("four"),
    });
    if (result.kind === "rejected") throw new Error(result.reason);
    const { manifest, artifact, variants = [] } = result.checked;
    const listed = [manifest, ...variants.map((each) => each.manifest)].map(({ main, files }) => [
      main,
      files.map(({ name }) => name).toSorted(),
    ]);
    expect(listed).toEqual([
      ["model.onnx", ["labels.txt", "model.onnx", "samples.npz", "variants.yaml"]],
      ["model.int8.onnx", ["labels.txt", "model.int8.onnx", "samples.npz", "variants.yaml"]],
      ["model.fp16.onnx", ["labels.txt", "model.fp16.onnx", "samples.npz", "variants.yaml"]],
    ]);
    const [int8, fp16] = variants;
    expect(variants.map(({ manifest: of, artifact: digest }) => artifactDigest(of) === digest)).toEqual([true, true]);
    expect(new Set([artifact, int8?.artifact, fp16?.artifact]).size).toBe(3);
    expect(int8?.manifest).toMatchObject({
      model: "layer",
      version: "3",
      inputs: manifest.inputs,
      outputs: manifest.outputs,
    });
    expect(int8?.accuracy).toMatchObject({ samples: ROWS, agreement: 1 });
    expect(fp16?.accuracy).toMatchObject({ samples: ROWS, agreement: 1 });
    for (const each of [int8, fp16]) {
      expect(each?.accuracy.maxDifference).toBeGreaterThan(0);
      expect(each?.accuracy.maxDifference).toBeLessThan(0.1);
    }
    // The proof that requests may share runs is of each graph: dynamic quantisation looks at all rows.
    expect([manifest.rows?.kind, int8?.manifest.rows?.kind]).toEqual(["independent", "unproved"]);
  });

  it("finds the same figures each time", async () => {
    const given = { "variants.yaml": INT8, "model.int8.onnx": int8LayerModel() };
    const [one, two] = [await checked(given), await checked(given)];
    expect(one).toEqual(two);
    expect(one.kind).toBe("accepted");
  });

  it("asks fewer samples where answers are large, and takes a variant of the same bytes", async () => {
    // 16 MiB for each row, as masks of images have.
    const wide = 4 * 1_048_576;
    const mask = model({
      nodes: [{ opType: "Expand", input: ["x", "size"], output: ["y"] }],
      inputs: [{ name: "x", datatype: "FP32", shape: ["n", 1] }],
      outputs: [{ name: "y", datatype: "FP32", shape: ["n", wide] }],
      constants: [constant("size", "INT64", [2], int64s(1, wide))],
    });
    const samples = npz({ x: floats([20, 1], [...layerInputs(1)].slice(0, 20)) });
    const given = { "model.onnx": mask, "model.int8.onnx": mask, "samples.npz": samples };
    expect(await checked({ "variants.yaml": INT8, ...given })).toMatchObject({
      checked: { variants: [{ accuracy: { samples: 17, agreement: 1, maxDifference: 0 } }] },
    });
  }, 120_000);

  it("refuses a variant that decides otherwise, with the figures", async () => {
    expect(await refused({ "variants.yaml": INT8, "model.int8.onnx": int8LayerModel({ sign: -1 }) })).toMatch(
      /^variant int8, on 100 samples: it decides as the reference in 0 % of them, and `accuracy.minAgreement` asks for 99 %; largest difference \d/,
    );
  });

  it("refuses numbers that are further off than the document allows", async () => {
    const strict = yaml(
      "variants: [{ name: int8, file: model.int8.onnx }]",
      "accuracy: { minAgreement: 0, maxDifference: 0.00001 }",
    );
    expect(await refused({ "variants.yaml": strict, "model.int8.onnx": int8LayerModel() })).toMatch(
      /^variant int8, on 100 samples: largest difference 0\.\d+, and `accuracy.maxDifference` allows 0.00001; it decides as the reference in 100 % of them$/,
    );
  });

  it.each([
    [
      "with other datatypes, and says how they are kept",
      { "model.fp16.onnx": fp16LayerModel({ keepsIo: false }) },
      'variant fp16: input "x" is FP16 [-1, 32], and of the reference FP32 [-1, 32]: convert it with its inputs and outputs kept in FP32 (keep_io_types=True)',
    ],
    [
      "with other shapes",
      { "model.fp16.onnx": identityModel("FP32") },
      'variant fp16: input "x" is FP32 [-1, 2], and of the reference FP32 [-1, 32]: export it with the inputs and outputs of the reference',
    ],
    [
      "that is not there",
      { "model.fp16.onnx": undefined },
      "variants.yaml: variant fp16 names model.fp16.onnx, which is not a file of the bundle",
    ],
    ["that is no model", { "model.fp16.onnx": yaml("no model") }, /^variant fp16: model.fp16.onnx: /],
    [
      "without samples",
      { "samples.npz": undefined },
      "variants.yaml: a version with variants needs samples.npz, inputs on which each is compared with model.onnx (docs/variants.md)",
    ],
    [
      "whose samples do not fit",
      { "samples.npz": npz({ other: floats([1, 2], [1, 2]), more: floats([1], [1]) }) },
      /^the samples have no array for input "x"/,
    ],
    ["whose samples have no rows", { "samples.npz": npz({ x: floats([0, 32], []) }) }, "the samples have no rows"],
    [
      "whose reference gives no number",
      { "model.onnx": layerModel({ every: Number.NaN }) },
      "the reference answers all samples with NaN: put inputs into samples.npz as callers send them",
    ],
    [
      "that gives no number",
      { "model.int8.onnx": layerModel({ every: Number.NaN }) },
      /^variant int8, on 100 samples: sample 0: output "y" has NaN where the reference has -?\d/,
    ],
    [
      "by a document with an unknown field",
      { "variants.yaml": yaml("variants: [{ name: fp16, file: model.fp16.onnx, threads: 2 }]") },
      /^variants.yaml: variants.0: Unrecognized key: "threads"/,
    ],
    [
      "by a name that is taken",
      { "variants.yaml": yaml("variants: [{ name: reference, file: model.fp16.onnx }]") },
      "variants.yaml: variants.0.name: `reference` and `auto` are taken",
    ],
  ])("refuses one %s", async (_, given: Readonly<Record<string, Uint8Array | undefined>>, reason) => {
    const all = { "variants.yaml": TWO, "model.int8.onnx": int8LayerModel(), "model.fp16.onnx": fp16LayerModel() };
    const found = await refused({ ...all, ...given });
    if (typeof reason === "string") expect(found).toBe(reason);
    else expect(found).toMatch(reason);
  });
});
