import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { findFiles } from "../../../../cli/models/find-files.ts";
import { largeBundle } from "../../../support/models/onnx/large-model.ts";
import { noise, onnx } from "../../control-plane/core/catalog/onnx/onnx-bytes.ts";

let root: string;
const bundle = largeBundle(1, 3);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skerry-find-"));
  await mkdir(join(root, "more"));
  for (const [path, bytes] of Object.entries(bundle)) await writeFile(join(root, path), bytes);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const pathsOf = async (path: string): Promise<readonly string[]> =>
  (await findFiles(path)).files.map((file) => file.path);

describe("the files of a push", () => {
  it("are an ONNX file and the files in which its tensors lie", async () => {
    await writeFile(join(root, "other.txt"), "not part of it");
    expect(await pathsOf(join(root, "net.onnx"))).toEqual(["net.onnx", "net.onnx.data", "more/two.bin"]);
  });

  it("are one file without a name when its tensors lie in it, or when it is no ONNX file", async () => {
    await writeFile(join(root, "one.onnx"), onnx());
    await writeFile(join(root, "noise.onnx"), noise(100_000, 4));
    expect(await pathsOf(join(root, "one.onnx"))).toEqual(["model.onnx"]);
    expect(await pathsOf(join(root, "noise.onnx"))).toEqual(["model.onnx"]);
  });

  it("are all of a folder but hidden ones", async () => {
    await writeFile(join(root, ".hidden"), "x");
    expect(await findFiles(root)).toMatchObject({ main: "net.onnx" });
    expect(await pathsOf(root)).toEqual(["more/two.bin", "net.onnx", "net.onnx.data"]);
  });

  it("are a document that names the model of an engine", async () => {
    const path = join(root, "qwen.json");
    await writeFile(path, '{"model": "Qwen/Qwen3-32B", "kind": "text"}');
    expect(await findFiles(path)).toMatchObject({ runtime: "engine", main: "engine.json" });
    expect(await pathsOf(path)).toEqual(["engine.json"]);
  });

  it.each([
    ["{}", /declares no model of an engine/],
    ["no JSON", /declares no model of an engine/],
    ['{"model": "m", "kind": "video"}', /declares no model of an engine/],
    ['{"model": "m", "kind": "text", "weights": "w"}', /declares no model of an engine/],
    ['{"model": "m", "kind": "tensors"}', /declares no model of an engine/],
  ])("are not a document that says %s", async (text, message) => {
    const path = join(root, "other.json");
    await writeFile(path, text);
    await expect(findFiles(path)).rejects.toThrow(message);
  });

  it("are named when one is missing or cannot be in a bundle", async () => {
    await rm(join(root, "more/two.bin"));
    await expect(findFiles(join(root, "net.onnx"))).rejects.toThrow(
      /has tensors in more\/two.bin, and .* does not exist/,
    );
    await writeFile(join(root, "more/two.bin"), "x");
    await writeFile(join(root, "a b"), "x");
    await expect(findFiles(root)).rejects.toThrow(/a b cannot be part of a bundle/);
  });
});
