import { access, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { DiskSpace } from "../../../control-plane/adapters/artifacts/disk-room.ts";
import { FileStore } from "../../../control-plane/adapters/artifacts/disk/file-store.ts";
import { describeArtifactStore, pieces, sha256, upload } from "../../support/artifacts/store-contract.ts";
import { noise } from "../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

let root = "";
let store: FileStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skerry-artifacts-"));
  store = await FileStore.open(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

describeArtifactStore("on disk", {
  open: () => FileStore.open(root),
  empty: async () => {
    await rm(root, { recursive: true, force: true });
    await mkdir(root);
  },
  damage: async (name, bytes) => {
    await rm(join(root, "files", name)); // it is a second name of the upload's file
    await writeFile(join(root, "files", name), bytes);
  },
});

describe("an upload on disk", () => {
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

describe("an adopted file on disk", () => {
  const bytes = noise(600_000, 7);

  it("has one name, however often it is adopted", async () => {
    await store.append(upload(0, bytes.length), pieces(bytes));
    await store.adopt("u-1", sha256(bytes));
    await store.adopt("u-1", sha256(bytes));
    expect(await readdir(join(root, "files"))).toEqual([sha256(bytes)]);
  });

  it("can be read to its end by those who had it open when it was removed", async () => {
    await store.append(upload(0, bytes.length), pieces(bytes));
    await store.adopt("u-1", sha256(bytes));
    const file = await store.open(sha256(bytes));
    await store.remove(sha256(bytes));
    const part = new Uint8Array(10);
    await file.read(0, part);
    expect(part).toEqual(bytes.slice(0, 10));
    await file.close();
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
