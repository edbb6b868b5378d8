import { posix } from "node:path";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { declareVersion, toBundle } from "../../../../../shared/api/v1/models.ts";
import { mainFileOf, pathFault, pathsFault } from "../../../../../shared/protocol/model-files/bundle.ts";
import { bundleDigest } from "../../../../../shared/protocol/model-files/bundle-digest.ts";

const SHA = "a".repeat(64);
const file = (path: string, bytes = 3) => ({ path, bytes, sha256: SHA });
const refusals = (declared: object): readonly string[] =>
  declareVersion.safeParse(declared).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];

describe("a path in a bundle", () => {
  it.each(["model.onnx", "model.onnx.data", "onnx/model_q4.onnx", "a/b/c/d/e/f/g/h", "_x", "MODEL.onnx"])(
    "may be %s",
    (path) => expect(pathFault(path)).toBeUndefined(),
  );

  it.each([
    ["", /empty/],
    ["/etc/passwd", /absolute/],
    ["../model.onnx", /leaves the bundle/],
    ["a/../../model.onnx", /leaves the bundle/],
    ["./model.onnx", /no part of it begins/],
    ["a//b", /between single/],
    ["a/", /between single/],
    [".git", /no part of it begins/],
    ["C:\\model.onnx", /letters, digits/],
    ["a\\b", /letters, digits/],
    ["a b", /letters, digits/],
    ["a\u0000b", /letters, digits/],
    ["a/b/c/d/e/f/g/h/i", /8 folders deep/],
    ["x".repeat(129), /letters, digits/],
    [`${"x".repeat(127)}/${"x".repeat(128)}`, /255 characters/],
    ["Manifest.json", /the node's own/],
  ])("may not be %j", (path, why) => expect(pathFault(path)).toMatch(why));

  it("never leaves the folder that it is joined to, whatever it is", () => {
    const piece = fc.constantFrom("..", ".", "/", "\\", "a", "model.onnx", "", "\u0000", "C:", "%2e%2e", "～");
    const path = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join("/")),
      fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(path, (text) => {
        if (pathFault(text) !== undefined) return;
        expect(posix.join("/root/bundle", text)).toBe(`/root/bundle/${text}`);
        expect(text).not.toMatch(/[^A-Za-z0-9._/-]|(^|\/)\.\.?(\/|$)/);
      }),
    );
  });
});

describe("paths beside one another", () => {
  it.each([
    [["a", "a"], "a is named twice"],
    [["Model.onnx", "model.onnx"], "Model.onnx and model.onnx are one file where case does not count"],
    [["a/b", "A"], "a is a file, and a/b needs it as a folder"],
  ])("are refused: %j", (paths, why) => expect(pathsFault(paths)?.toLowerCase()).toBe(why.toLowerCase()));

  it("may share folders", () => expect(pathsFault(["a/b", "a/c", "ab"])).toBeUndefined());
});

describe("the file that the runtime loads", () => {
  it.each([
    [["model.onnx", "model.onnx.data"], undefined, { main: "model.onnx" }],
    [["graph.pb", "data"], "graph.pb", { main: "graph.pb" }],
    [["a.onnx", "b.onnx"], "b.onnx", { main: "b.onnx" }],
    [["a.onnx", "b.onnx"], undefined, { fault: "a.onnx and b.onnx end in .onnx: name the graph as `main`" }],
    [["data"], undefined, { fault: "none of its files ends in .onnx: name the graph as `main`" }],
    [["a.onnx"], "b.onnx", { fault: "main names b.onnx, which is not a file of it" }],
  ])("of %j with main %j", (paths, main, outcome) => expect(mainFileOf(paths, main)).toEqual(outcome));
});

describe("a declared version", () => {
  it("is one file, or a bundle", () => {
    const one = declareVersion.parse({ bytes: 3, sha256: SHA });
    expect(toBundle(one)).toEqual({ runtime: "onnx", main: "model.onnx", files: [file("model.onnx")] });
    const two = declareVersion.parse({ runtime: "onnx", files: [file("net.onnx"), file("net.onnx.data")] });
    expect(toBundle(two)).toMatchObject({ main: "net.onnx", files: [{ path: "net.onnx" }, { path: "net.onnx.data" }] });
  });

  it.each([
    [
      { runtime: "pickle", bytes: 3, sha256: SHA },
      'runtime: the runtime "pickle" is not known; this release knows: onnx, gguf, generate, embed, engine, pipeline',
    ],
    [{ files: [file("a.onnx")], bytes: 3 }, "bytes: each of `files` has its own"],
    [{ bytes: 3 }, "sha256: needed, unless there are `files`"],
    [{ bytes: 3, sha256: SHA, main: "a" }, "main: names one of `files`, and there are none"],
    [{ files: [file("../a.onnx")] }, "files.0.path: the path leaves the bundle (..)"],
    [{ files: [file("a.onnx"), file("b.onnx")] }, "files: a.onnx and b.onnx end in .onnx: name the graph as `main`"],
    [{ files: [file("a.onnx", 2 ** 31 + 1)] }, "files: a.onnx has 2147483649 bytes; an ONNX graph may have 2147483648"],
    [
      { files: [file("a.onnx"), file("b", 2 ** 31), file("c", 2 ** 31)] },
      "files: 4294967299 bytes together; a bundle may have 3221225472",
    ],
  ])("is refused: %j", (declared, why) => expect(refusals(declared)).toEqual([why]));

  it("may have 256 files and no more", () => {
    const files = Array.from({ length: 256 }, (_, at) => file(`f${at}`));
    expect(refusals({ main: "f0", files })).toEqual([]);
    expect(refusals({ main: "f0", files: [...files, file("one")] })).toHaveLength(1);
  });
});

describe("the digest of a bundle", () => {
  it("is the file's own when there is one, and depends on names, contents and the main file, not on the order", () => {
    const [a, b] = [file("a.onnx"), { ...file("b"), sha256: "b".repeat(64) }];
    expect(bundleDigest([a], "a.onnx")).toBe(`sha256:${SHA}`);
    const digest = bundleDigest([a, b], "a.onnx");
    expect(bundleDigest([b, a], "a.onnx")).toBe(digest);
    expect(bundleDigest([a, b], "b")).not.toBe(digest);
    expect(bundleDigest([a, { ...b, path: "c" }], "a.onnx")).not.toBe(digest);
  });
});
