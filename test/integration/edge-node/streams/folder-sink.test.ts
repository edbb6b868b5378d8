import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { FolderSink } from "../../../../edge-node/adapters/streams/folder-sink.ts";
import type { StreamName, StreamResult } from "../../../../edge-node/ports/streams.ts";

const STREAM = { deployment: "same", name: "press" };
const FILE = "same.press.0000000000000007.1700000000000.ndjson";
const aResult = (over: Partial<StreamResult> = {}): StreamResult => ({
  position: 7,
  acceptedAt: 1_700_000_000_000,
  idempotencyKey: "node/same/press/1700000000000-7",
  key: "",
  body: new TextEncoder().encode('{"a":1}'),
  ...over,
});

describe("a folder for results", () => {
  let base: string;
  let folder: string;
  const deliver = (results: readonly StreamResult[], stream: StreamName = STREAM) =>
    new FolderSink({ path: folder, maxBytes: 1_048_576, gatherMs: 0 })
      .open(stream)
      .deliver(results, new AbortController().signal);
  beforeEach(async () => {
    base = await mkdtemp(path.join(tmpdir(), "skerry-folder-"));
    folder = path.join(base, "out", "results");
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  it("has a file for each batch, a line for each result", async () => {
    const deliveries = await deliver([aResult(), aResult({ position: 8 })]);
    expect(deliveries).toEqual([{ kind: "delivered" }, { kind: "delivered" }]);
    expect(await readdir(folder)).toEqual([FILE]);
    expect(await readFile(path.join(folder, FILE), "utf8")).toBe('{"a":1}\n{"a":1}\n');
  });

  it("keeps what was not fetched when a new store counts from the beginning again", async () => {
    await deliver([aResult()]);
    await deliver([aResult({ acceptedAt: 1_800_000_000_000 })]);
    expect(await readdir(folder)).toHaveLength(2);
  });

  it("writes through no link that lies in the place of its file", async () => {
    const victim = path.join(base, "victim");
    await writeFile(victim, "kept");
    await deliver([aResult({ position: 1 })]);
    await symlink(victim, path.join(folder, `.${FILE}.new`));
    expect(await deliver([aResult()])).toEqual([{ kind: "delivered" }]);
    expect(await readFile(victim, "utf8")).toBe("kept");
  });

  it("is not left by the name of a deployment", async () => {
    await deliver([aResult()], { deployment: "a/../../../b", name: "press" });
    expect([await readdir(base), await readdir(path.join(base, "out"))]).toEqual([["out"], ["results"]]);
    expect(await readdir(folder)).toHaveLength(1);
  });
});
