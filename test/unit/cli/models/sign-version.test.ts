import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { signVersion } from "../../../../cli/models/sign-version.ts";
import type { LocalBundle } from "../../../../cli/models/find-files.ts";
import { keyPair, keys } from "../../../../control-plane/adapters/system/ed25519.ts";
import { digestOf } from "../../../../shared/base/digest.ts";
import { type Manifest, manifestBytes } from "../../../../shared/protocol/manifest.ts";
import { type Release, releaseText } from "../../../../shared/protocol/release.ts";
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
  await signVersion(api as never, { model: "digits", version: 1 }, asked, new AbortController().signal).catch(
    (error: unknown) => {
      if (error !== answered) throw error;
    },
  );
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
