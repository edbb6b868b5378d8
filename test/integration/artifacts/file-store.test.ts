import { createHash } from "node:crypto";
import { access, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { DiskSpace } from "../../../control-plane/adapters/artifacts/disk-room.ts";
import { FileStore } from "../../../control-plane/adapters/artifacts/file-store.ts";
import { noise } from "../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let root: string;
let store: FileStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skerry-artifacts-"));
  store = await FileStore.open(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function* pieces(...blocks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* blocks;
}

/** Sends its blocks, then breaks as a closed connection does. */
async function* cutAfter(...blocks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* blocks;
  throw new Error("aborted");
}

async function contentOf(sha: string): Promise<Uint8Array> {
  const blocks: Uint8Array[] = [];
  for await (const block of store.stream(sha)) blocks.push(block);
  return Buffer.concat(blocks);
}

const upload = (offset: number, maxBytes: number, id = "u-1") => ({ id, offset, maxBytes });

describe("an upload in the artifact store", () => {
  it("grows piece by piece and reports its length", async () => {
    expect(await store.uploadOffset("u-1")).toBe(0);
    expect(await store.append(upload(0, 30), pieces(noise(10, 1), noise(5, 2)))).toBe(15);
    expect(await store.append(upload(15, 30), pieces(noise(15, 3)))).toBe(30);
    expect(await store.uploadOffset("u-1")).toBe(30);
    expect(await readFile(store.uploadPath("u-1"))).toEqual(Buffer.concat([noise(10, 1), noise(5, 2), noise(15, 3)]));
  });

  it("keeps what came before a broken stream", async () => {
    await expect(store.append(upload(0, MIB), cutAfter(noise(1_000, 1), noise(500, 2)))).rejects.toThrow("aborted");
    expect(await store.uploadOffset("u-1")).toBe(1_500);
    expect(await store.append(upload(1_500, MIB), pieces(noise(1, 3)))).toBe(1_501);
  });

  it("refuses bytes that do not continue it, before it takes one", async () => {
    await store.append(upload(0, 30), pieces(noise(10, 1)));
    for (const offset of [0, 9, 11]) {
      await expect(store.append(upload(offset, 30), pieces(noise(1, 1)))).rejects.toMatchObject({
        code: "UPLOAD_OFFSET",
        message: `upload u-1 has 10 bytes and these begin at ${offset}`,
      });
    }
    expect(await store.uploadOffset("u-1")).toBe(10);
  });

  it("refuses more than was declared and keeps the blocks before", async () => {
    await expect(store.append(upload(0, 15), pieces(noise(10, 1), noise(10, 2)))).rejects.toMatchObject({
      code: "TOO_LARGE",
    });
    expect(await store.uploadOffset("u-1")).toBe(10);
  });

  it("has one writer at a time", async () => {
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield noise(10, 1);
      started.resolve();
      await gate.promise;
      yield noise(10, 2);
    }
    const first = store.append(upload(0, 20), slow());
    await started.promise;
    await expect(store.append(upload(10, 20), pieces(noise(10, 9)))).rejects.toMatchObject({ code: "CONFLICT" });
    gate.resolve();
    expect(await first).toBe(20);
  });

  it("lets two uploads grow side by side", async () => {
    const both = [
      store.append(upload(0, MIB, "a"), pieces(noise(MIB, 1))),
      store.append(upload(0, MIB, "b"), pieces(noise(MIB, 2))),
    ];
    expect(await Promise.all(both)).toEqual([MIB, MIB]);
    expect((await store.uploadIds()).toSorted()).toEqual(["a", "b"]);
  });

  it.each(["../evil", "a/b", "", "a\0b", ".", "x".repeat(65)])("never becomes a path from the id %j", async (id) => {
    expect(() => store.uploadPath(id)).toThrow("an upload's id has characters that no id has");
    await expect(store.append(upload(0, 1, id), pieces(noise(1, 1)))).rejects.toThrow("id has characters");
    await expect(store.discardUpload(id)).rejects.toThrow("id has characters");
    await expect(store.open(`../${"0".repeat(61)}`)).rejects.toThrow("64 lower-case hex digits");
  });

  it("is private to the process's user", async () => {
    await store.append(upload(0, 1), pieces(noise(1, 1)));
    expect((await stat(store.uploadPath("u-1"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(root, "uploads"))).mode & 0o777).toBe(0o700);
  });
});

describe("a disk with little room", () => {
  const diskOf = (space: DiskSpace) => FileStore.open(root, { space: async () => space });

  it("refuses an upload that would leave less than 2 GiB, or than 5 % of a small disk", async () => {
    const large = await diskOf({ total: 1_000 * GIB, available: 2 * GIB + 10 });
    expect(await large.append(upload(0, 10), pieces(noise(10, 1)))).toBe(10);
    await expect(large.append(upload(0, 11, "u-2"), pieces(noise(10, 1)))).rejects.toMatchObject({
      code: "STORAGE_FULL",
      message: `the disk under ${root}/uploads is full: 1 MiB more would leave less than 2048 MiB of 1024000 MiB free; 2049 MiB are free now`,
    });
    const small = await diskOf({ total: 100 * MIB, available: 5 * MIB + 10 });
    expect(await small.append(upload(0, 10, "u-3"), pieces(noise(10, 1)))).toBe(10);
    await expect(small.append(upload(0, 11, "u-4"), pieces(noise(10, 1)))).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
  });

  it("counts what other uploads under way will still need", async () => {
    const tight = await diskOf({ total: 100 * MIB, available: 15 * MIB });
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Uint8Array> {
      started.resolve();
      await gate.promise;
      yield noise(1, 1);
    }
    const first = tight.append(upload(0, 6 * MIB, "a"), slow());
    await started.promise;
    await expect(tight.append(upload(0, 6 * MIB, "b"), pieces(noise(1, 1)))).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
    gate.resolve();
    await first;
    expect(await tight.append(upload(0, 6 * MIB, "b"), pieces(noise(1, 1)))).toBe(1);
  });

  it("looks again while a long upload grows, and keeps what is there", async () => {
    let available = 100 * GIB;
    const filling = await FileStore.open(root, { space: async () => ({ total: 1_000 * GIB, available }) });
    async function* growing(): AsyncGenerator<Uint8Array> {
      yield noise(16 * MIB, 1);
      available = GIB;
      yield noise(16 * MIB, 2);
      yield noise(16 * MIB, 3);
    }
    await expect(filling.append(upload(0, 48 * MIB), growing())).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(await filling.uploadOffset("u-1")).toBe(32 * MIB);
  });
});

describe("an adopted file", () => {
  const bytes = noise(600_000, 7);

  beforeEach(() => store.append(upload(0, bytes.length), pieces(bytes)));

  it("can be read whole and from any place", async () => {
    await store.adopt("u-1", sha256(bytes));
    expect(sha256(await contentOf(sha256(bytes)))).toBe(sha256(bytes));
    const file = await store.open(sha256(bytes));
    const part = new Uint8Array(1_000);
    await file.read(500_000, part);
    expect(part).toEqual(bytes.slice(500_000, 501_000));
    await expect(file.read(599_500, part)).rejects.toThrow(/ends at byte 600000, 600500 were asked for/);
    await file.close();
  });

  it("is adopted again without harm, before and after its upload is discarded", async () => {
    await store.adopt("u-1", sha256(bytes));
    await store.adopt("u-1", sha256(bytes));
    await store.discardUpload("u-1");
    await store.adopt("u-1", sha256(bytes));
    expect(await readdir(join(root, "files"))).toEqual([sha256(bytes)]);
    expect(await store.uploadIds()).toEqual([]);
    expect(sha256(await contentOf(sha256(bytes)))).toBe(sha256(bytes));
  });

  it("replaces a damaged file of the same name", async () => {
    await writeFile(join(root, "files", sha256(bytes)), "rotten");
    await store.adopt("u-1", sha256(bytes));
    expect(sha256(await contentOf(sha256(bytes)))).toBe(sha256(bytes));
  });

  it("keeps its upload until that is discarded, so that a crash in between loses nothing", async () => {
    await store.adopt("u-1", sha256(bytes));
    const restarted = await FileStore.open(root);
    expect(await restarted.uploadOffset("u-1")).toBe(bytes.length);
    await restarted.discardUpload("u-1");
    await restarted.discardUpload("u-1");
    expect(sha256(await contentOf(sha256(bytes)))).toBe(sha256(bytes));
  });

  it("cannot be adopted from an upload without bytes", async () => {
    await expect(store.adopt("u-9", "0".repeat(64))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("is gone after its removal, for all but those who read it", async () => {
    await store.adopt("u-1", sha256(bytes));
    const file = await store.open(sha256(bytes));
    await store.remove(sha256(bytes));
    await store.remove(sha256(bytes));
    await expect(store.open(sha256(bytes))).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(contentOf(sha256(bytes))).rejects.toMatchObject({ code: "NOT_FOUND" });
    const part = new Uint8Array(10);
    await file.read(0, part);
    expect(part).toEqual(bytes.slice(0, 10));
    await file.close();
  });

  it("closes its file when a reader of the stream stops early", async () => {
    await store.adopt("u-1", sha256(bytes));
    for await (const block of store.stream(sha256(bytes))) {
      expect(block.length).toBeGreaterThan(0);
      break;
    }
  });
});

describe("the directory at the start", () => {
  it("is cleared of what an interrupted adoption left, and of nothing else", async () => {
    const name = "a".repeat(64);
    await writeFile(join(root, "files", `${name}.u-1`), "half");
    await writeFile(join(root, "files", name), "whole");
    await writeFile(join(root, "uploads", "notes.txt"), "somebody's");
    const reopened = await FileStore.open(root);
    expect(await readdir(join(root, "files"))).toEqual([name]);
    expect(await reopened.uploadIds()).toEqual([]);
    await access(join(root, "uploads", "notes.txt"));
  });
});
