import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { beforeEach, describe, expect, it } from "@jest/globals";
import type { ArtifactStore } from "../../../control-plane/ports/catalog/artifacts.ts";
import { noise } from "../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";

const MIB = 1024 * 1024;
export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export async function* pieces(...blocks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* blocks;
}

/** Sends its blocks, then breaks as a closed connection does. */
async function* cutAfter(...blocks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* blocks;
  throw new Error("aborted");
}

export const upload = (offset: number, maxBytes: number, id = "u-1") => ({ id, offset, maxBytes });

export async function contentOf(store: ArtifactStore, sha: string): Promise<Uint8Array> {
  const blocks: Uint8Array[] = [];
  for await (const block of store.stream(sha)) blocks.push(block);
  return Buffer.concat(blocks);
}

/** What a test needs of a kind of store. */
export interface StoreUnderTest {
  /** The store over what `empty` emptied, as a control plane has it after its start. A second one is another control plane. */
  readonly open: () => Promise<ArtifactStore>;
  readonly empty: () => Promise<void>;
  /** Changes stored bytes behind the store's back. */
  readonly damage: (sha256: string, bytes: Uint8Array) => Promise<void>;
}

/** What every artifact store promises. Of what `ports/artifacts.ts` says, all that has no word of a disk. */
export function describeArtifactStore(kind: string, { open, empty, damage }: StoreUnderTest): void {
  let store: ArtifactStore;
  beforeEach(async () => {
    await empty();
    store = await open();
  });

  const uploaded = async (id = "u-1"): Promise<Uint8Array> => {
    await store.fetchUpload(id);
    return readFile(store.uploadPath(id));
  };

  describe(`an upload in the store ${kind}`, () => {
    it("grows piece by piece and reports its length", async () => {
      expect(await store.uploadOffset("u-1")).toBe(0);
      expect(await store.append(upload(0, 30), pieces(noise(10, 1), noise(5, 2)))).toBe(15);
      expect(await store.append(upload(15, 30), pieces(noise(15, 3)))).toBe(30);
      expect(await store.uploadOffset("u-1")).toBe(30);
      expect(await uploaded()).toEqual(Buffer.concat([noise(10, 1), noise(5, 2), noise(15, 3)]));
    });

    it("goes on at another control plane, at the same offset", async () => {
      const other = await open();
      await store.append(upload(0, 40), pieces(noise(10, 1)));
      expect(await other.uploadOffset("u-1")).toBe(10);
      expect(await other.append(upload(10, 40), pieces(noise(20, 2)))).toBe(30);
      expect(await store.append(upload(30, 40), pieces(noise(10, 3)))).toBe(40);
      expect(await store.uploadIds()).toEqual(["u-1"]);
      const all = Buffer.concat([noise(10, 1), noise(20, 2), noise(10, 3)]);
      expect(await uploaded()).toEqual(all);
      await other.fetchUpload("u-1");
      await other.adopt("u-1", sha256(all));
      await other.discardUpload("u-1");
      expect(await contentOf(store, sha256(all))).toEqual(all);
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

    it("is whole when it is larger than any piece", async () => {
      const bytes = noise(20 * MIB + 7, 4);
      const blocks = Array.from({ length: 21 }, (_, at) => bytes.subarray(at * MIB, (at + 1) * MIB));
      expect(await store.append(upload(0, bytes.length), pieces(...blocks))).toBe(bytes.length);
      expect(sha256(await uploaded())).toBe(sha256(bytes));
    });

    it("cannot be fetched when it has no bytes", async () => {
      await expect(store.fetchUpload("u-9")).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("is gone when it is discarded, and discarded again without harm", async () => {
      await store.append(upload(0, 10), pieces(noise(10, 1)));
      await store.fetchUpload("u-1");
      await store.discardUpload("u-1");
      await store.discardUpload("u-1");
      expect(await store.uploadOffset("u-1")).toBe(0);
      expect(await store.uploadIds()).toEqual([]);
      await expect(readFile(store.uploadPath("u-1"))).rejects.toThrow("ENOENT");
    });

    it.each(["../evil", "a/b", "", "a\0b", ".", "x".repeat(65)])("never becomes a name from the id %j", async (id) => {
      expect(() => store.uploadPath(id)).toThrow("an upload's id has characters that no id has");
      await expect(store.append(upload(0, 1, id), pieces(noise(1, 1)))).rejects.toThrow("id has characters");
      await expect(store.discardUpload(id)).rejects.toThrow("id has characters");
      await expect(store.open(`../${"0".repeat(61)}`)).rejects.toThrow("64 lower-case hex digits");
    });
  });

  describe(`an adopted file in the store ${kind}`, () => {
    const bytes = noise(600_000, 7);
    const file = { sha256: sha256(bytes), bytes: bytes.length };
    const noPace = (): Promise<void> => Promise.resolve();

    beforeEach(async () => {
      await store.append(upload(0, bytes.length), pieces(bytes));
      await store.fetchUpload("u-1");
    });

    it("can be read whole and from any place", async () => {
      await store.adopt("u-1", sha256(bytes));
      expect(sha256(await contentOf(store, sha256(bytes)))).toBe(sha256(bytes));
      const opened = await store.open(sha256(bytes));
      const part = new Uint8Array(1_000);
      await opened.read(500_000, part);
      expect(part).toEqual(bytes.slice(500_000, 501_000));
      await expect(opened.read(599_500, part)).rejects.toThrow(/ends at byte 600000, 600500 were asked for/);
      await opened.close();
    });

    it("can be read by another control plane", async () => {
      await store.adopt("u-1", sha256(bytes));
      const other = await open();
      expect(await other.look(file)).toBe("whole");
      expect(sha256(await contentOf(other, sha256(bytes)))).toBe(sha256(bytes));
    });

    it("is whole when it is larger than any part that is stored at once", async () => {
      const large = noise(40 * MIB + 3, 8);
      await store.append(upload(0, large.length, "large"), pieces(large));
      await store.fetchUpload("large");
      await store.adopt("large", sha256(large));
      expect(await store.verify({ sha256: sha256(large), bytes: large.length }, noPace)).toBe("whole");
      const opened = await store.open(sha256(large));
      const part = new Uint8Array(MIB);
      for (const offset of [0, MIB - 5, 16 * MIB - 9, 40 * MIB + 3 - MIB]) {
        await opened.read(offset, part);
        expect(sha256(part)).toBe(sha256(large.subarray(offset, offset + MIB)));
      }
      await opened.close();
    });

    it("may be what the check wrote", async () => {
      await writeFile(store.uploadPath("u-1_999"), "edited");
      const edited = Buffer.from("edited");
      await store.adopt("u-1_999", sha256(edited));
      await store.discardUpload("u-1_999");
      expect(await contentOf(store, sha256(edited))).toEqual(edited);
      expect(await store.uploadIds()).toEqual(["u-1"]);
    });

    it("is adopted again without harm, before and after its upload is discarded", async () => {
      await store.adopt("u-1", sha256(bytes));
      await store.adopt("u-1", sha256(bytes));
      await store.discardUpload("u-1");
      await store.adopt("u-1", sha256(bytes));
      expect(await store.uploadIds()).toEqual([]);
      expect(sha256(await contentOf(store, sha256(bytes)))).toBe(sha256(bytes));
    });

    it("replaces a damaged file of the same name", async () => {
      await store.adopt("u-1", sha256(bytes));
      await damage(sha256(bytes), Buffer.from("rotten"));
      expect(await store.look(file)).toBe("cut");
      await store.adopt("u-1", sha256(bytes));
      expect(sha256(await contentOf(store, sha256(bytes)))).toBe(sha256(bytes));
    });

    it("is found whole, missing, cut or rotten", async () => {
      expect([await store.look(file), await store.verify(file, noPace)]).toEqual(["missing", "missing"]);
      await store.adopt("u-1", sha256(bytes));
      const paced: number[] = [];
      const pace = async (read: number): Promise<void> => void paced.push(read);
      expect([await store.look(file), await store.verify(file, pace)]).toEqual(["whole", "whole"]);
      expect(paced.reduce((sum, read) => sum + read, 0)).toBe(bytes.length);
      await damage(file.sha256, noise(bytes.length, 9));
      expect([await store.look(file), await store.verify(file, noPace)]).toEqual(["whole", "rotten"]);
      await damage(file.sha256, noise(7, 9));
      expect([await store.look(file), await store.verify(file, noPace)]).toEqual(["cut", "cut"]);
    });

    it("keeps its upload until that is discarded, so that a crash in between loses nothing", async () => {
      await store.adopt("u-1", sha256(bytes));
      const restarted = await open();
      expect(await restarted.uploadOffset("u-1")).toBe(bytes.length);
      await restarted.adopt("u-1", sha256(bytes));
      await restarted.discardUpload("u-1");
      expect(sha256(await contentOf(store, sha256(bytes)))).toBe(sha256(bytes));
    });

    it("cannot be adopted from an upload without bytes", async () => {
      await expect(store.adopt("u-9", "0".repeat(64))).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("is gone after its removal", async () => {
      await store.adopt("u-1", sha256(bytes));
      await store.remove(sha256(bytes));
      await store.remove(sha256(bytes));
      await expect(store.open(sha256(bytes))).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(contentOf(store, sha256(bytes))).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("lets a reader of the stream stop early", async () => {
      await store.adopt("u-1", sha256(bytes));
      for await (const block of store.stream(sha256(bytes))) {
        expect(block.length).toBeGreaterThan(0);
        break;
      }
    });
  });
}
