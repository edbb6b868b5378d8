import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { signVersion } from "../../../../cli/models/sign-version.ts";
import type { LocalBundle } from "../../../../cli/models/find-files.ts";
import { keyPair, keys } from "../../../../control-plane/adapters/system/ed25519.ts";
import { digestOf } from "../../../../shared/base/digest.ts";
import { type Manifest, manifestBytes } from "../../../../shared/protocol/model-files/manifest.ts";
import { type Release, releaseText, type VersionRelease } from "../../../../shared/protocol/model-files/release.ts";
import { anArtifact, randomBytesOf } from "../../../support/models/artifact-fixture.ts";

const signer = keyPair();
const graph = randomBytesOf(5_000, 1);
const document = { model: "llama-3", kind: "text" as const };
const documentBytes = Buffer.from(JSON.stringify(document));
const ofEngine = {
  runtime: "engine" as const,
  main: "engine.json",
  files: anArtifact(documentBytes).manifest.files.map((file) => ({ ...file, name: "engine.json" })),
};

let folder: string;
let put: Release[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-sign-"));
  await writeFile(path.join(folder, "model.onnx"), graph);
  await writeFile(path.join(folder, "engine.json"), documentBytes);
  put = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bundleOf = (runtime: LocalBundle["runtime"], main: string): LocalBundle => ({
  runtime,
  main,
  files: [{ local: path.join(folder, main), path: main }],
  notes: [],
});

/** Signs what a control plane with this manifest shows; resolves with the text that was signed. Its answer to the PUT ends it. */
async function sign(manifest: Manifest, bundle: LocalBundle): Promise<string> {
  const answered = new Error("answered");
  const api = {
    exchange: () => Promise.resolve({ body: Buffer.from(manifestBytes(manifest)) }),
    put: (_path: string, body: Release) => {
      put.push(body);
      return Promise.reject(answered);
    },
  };
  const asked = { bundle, signer, floor: 0 };
  await signVersion(
    api as never,
    { model: "digits", version: 1, variants: [] },
    asked,
    new AbortController().signal,
  ).catch((error: unknown) => {
    if (error !== answered) throw error;
  });
  return releaseText({
    model: "digits",
    version: "1",
    artifact: digestOf(manifestBytes(manifest)),
    counter: 1,
    floor: 0,
  });
}

describe("a publisher's signature", () => {
  it.each([
    ["a graph", () => anArtifact(graph).manifest, () => bundleOf("onnx", "model.onnx")],
    [
      "a model of an engine",
      () => anArtifact(documentBytes, { ...ofEngine, engine: document }).manifest,
      () => bundleOf("engine", "engine.json"),
    ],
  ])("holds for the manifest of %s", async (_, manifest, bundle) => {
    const text = await sign(manifest(), bundle());
    expect(put.map(({ publicKey, signature }) => keys.verify(publicKey, text, signature))).toEqual([true]);
  });

  const specs = [{ name: "y", datatype: "FP32", shape: [1], parameters: { classes: ["cat", "dog"] } }];
  it.each<[string, Partial<Manifest>, string]>([
    ["other bytes", anArtifact(randomBytesOf(5_000, 2)).manifest, "is not the file here"],
    ["another model", { model: "faces" }, "the manifest of faces:1"],
    ["another kind of model", { runtime: "engine", main: "model.onnx", engine: document }, "as engine, not as onnx"],
    ["a model of an engine in its place", { engine: document }, "more of it than the files do: engine"],
    [
      "values for inputs that the graph has not",
      { defaults: [{ name: "x", datatype: "FP32", shape: [1], data: "AAAAAA==" }] },
      "more of it than the files do: defaults",
    ],
    ["names of classes that the graph has not", { outputs: specs }, "more of its tensors than the files do"],
  ])("is not given to a control plane that shows %s", async (_, over, why) => {
    const signing = sign(anArtifact(graph, over).manifest, bundleOf("onnx", "model.onnx"));
    await expect(signing).rejects.toMatchObject({ parts: { why: [expect.stringContaining(why)] } });
    expect(put).toEqual([]);
  });

  it("is not given to a control plane that names another model of the engine", async () => {
    const { manifest } = anArtifact(documentBytes, { ...ofEngine, engine: { ...document, model: "other" } });
    await expect(sign(manifest, bundleOf("engine", "engine.json"))).rejects.toMatchObject({
      parts: { why: ["the server names another model of the engine, or other tensors, than engine.json does"] },
    });
  });
});

describe("a publisher's signature of a version with variants", () => {
  const int8 = randomBytesOf(4_000, 3);
  const document = Buffer.from("variants: [{ name: int8, file: model.int8.onnx }]\n");
  const samples = Buffer.from("samples");
  const paths = ["model.onnx", "model.int8.onnx", "samples.npz", "variants.yaml"];
  /** The manifest of the graph `main` with these files. */
  const manifestOf = (main: string, files: Readonly<Record<string, Uint8Array>>): Manifest => ({
    ...anArtifact(graph).manifest,
    main,
    files: Object.entries(files).flatMap(([name, bytes]) =>
      anArtifact(bytes).manifest.files.map((file) => ({ ...file, name })),
    ),
  });
  const shared = { "samples.npz": samples, "variants.yaml": document };
  const theirs = {
    reference: manifestOf("model.onnx", { "model.onnx": graph, ...shared }),
    int8: manifestOf("model.int8.onnx", { "model.int8.onnx": int8, ...shared }),
  };

  /** What is put when the control plane shows these manifests. */
  async function signed(manifests: Readonly<Record<string, Manifest>>) {
    await writeFile(path.join(folder, "model.int8.onnx"), int8);
    await writeFile(path.join(folder, "samples.npz"), samples);
    await writeFile(path.join(folder, "variants.yaml"), document);
    const bundle: LocalBundle = {
      runtime: "onnx",
      main: "model.onnx",
      files: paths.map((each) => ({ local: path.join(folder, each), path: each })),
      notes: [],
    };
    const answered = new Error("answered");
    const sent: VersionRelease[] = [];
    const api = {
      exchange: (_method: string, url: string) => {
        const name = new URL(url, "http://x").searchParams.get("variant") ?? "reference";
        const manifest = manifests[name];
        return manifest === undefined
          ? Promise.reject(new Error(`no variant ${name}`))
          : Promise.resolve({ body: Buffer.from(manifestBytes(manifest)) });
      },
      put: (_path: string, body: VersionRelease) => {
        sent.push(body);
        return Promise.reject(answered);
      },
    };
    const variants = Object.keys(manifests).map((name) => ({ name }));
    const version = { model: "digits", version: 1, variants } as never;
    await signVersion(api as never, version, { bundle, signer, floor: 0 }, new AbortController().signal).catch(
      (error: unknown) => {
        if (error !== answered) throw error;
      },
    );
    return sent[0];
  }

  it("has one for each graph, over the manifest that a node gets", async () => {
    const release = await signed(theirs);
    const holds = (manifest: Manifest, signature: string | undefined) => {
      const artifact = digestOf(manifestBytes(manifest));
      const text = releaseText({ model: "digits", version: "1", artifact, counter: 1, floor: 0 });
      return keys.verify(signer.publicKey, text, signature ?? "");
    };
    expect(holds(theirs.reference, release?.signature)).toBe(true);
    expect(holds(theirs.int8, release?.variants?.["int8"])).toBe(true);
    expect(holds(theirs.int8, release?.signature)).toBe(false);
  });

  const changed = manifestOf("model.int8.onnx", { "model.int8.onnx": graph, ...shared });
  it.each<[string, Readonly<Record<string, Manifest>>, string]>([
    ["has other bytes of a variant", { ...theirs, int8: changed }, "the server's model.int8.onnx is not the file here"],
    [
      "serves the reference as the variant",
      { ...theirs, int8: theirs.reference },
      "the server would load model.onnx, not model.int8.onnx",
    ],
    [
      "has a file more for the variant",
      { ...theirs, int8: manifestOf("model.int8.onnx", { "model.int8.onnx": int8, "model.onnx": graph, ...shared }) },
      "the server has 4 files, and here are 3",
    ],
    ["has a variant more", { ...theirs, int4: theirs.int8 }, "the server has variants that are not here: int4"],
  ])("is not given to a control plane that %s", async (_, manifests, why) => {
    await expect(signed(manifests)).rejects.toMatchObject({ parts: { why: [why] } });
  });
});
