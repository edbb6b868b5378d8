import { createHash } from "node:crypto";
import { mkdtemp, open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { FileSums } from "../../../../edge-node/adapters/filesystem/file-sums.ts";
import type { ChunkRef } from "../../../../shared/protocol/model-files/manifest.ts";
import { randomBytesOf } from "../../../support/models/artifact-fixture.ts";

const MIB = 1_048_576;
const CHUNKS = 33;
const bytes = randomBytesOf(CHUNKS * MIB - 17, 5);
const sum = createHash("sha256").update(bytes).digest("hex");
const chunks: readonly ChunkRef[] = Array.from({ length: CHUNKS }, (_, index) => ({
  index,
  file: 0,
  offset: index * MIB,
  length: Math.min(MIB, bytes.byteLength - index * MIB),
  sha256: "",
}));
const all = chunks.map(({ index }) => index);

let directory: string;
let handle: FileHandle;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-sums-"));
  handle = await open(path.join(directory, "file"), "w+");
  await handle.write(bytes, 0, bytes.byteLength, 0);
});

afterEach(async () => {
  await handle.close();
  await rm(directory, { recursive: true, force: true });
});

function sums(sound: readonly number[]): FileSums {
  const made = FileSums.of([{ handle, size: bytes.byteLength }], chunks, new Set(sound));
  if (!made) throw new Error("the file is large enough for a thread");
  return made;
}

describe("FileSums", () => {
  it("has the file's SHA-256 once all chunks are there, in whatever order they came", async () => {
    const arrival = fc
      .shuffledSubarray(all, { minLength: CHUNKS })
      .chain((order) => fc.record({ order: fc.constant(order), known: fc.nat({ max: CHUNKS }) }));
    await fc.assert(
      fc.asyncProperty(arrival, async ({ order, known }) => {
        const tried = sums(order.slice(0, known));
        for (const index of order.slice(known)) {
          const chunk = chunks[index];
          if (chunk) tried.add(chunk);
        }
        expect(await tried.of(0)).toBe(sum);
        await tried.stop();
      }),
      { numRuns: 10 },
    );
  });

  it("has none of a file with a gap", async () => {
    const tried = sums(all.slice(0, -1));
    expect(await tried.of(0)).toBeUndefined();
    await tried.stop();
  });

  it("has none once it was stopped, so that its reader reads the file", async () => {
    const tried = sums(all);
    await tried.stop();
    expect(await tried.of(0)).toBeUndefined();
  });

  it("is not made for a file that is read sooner than a thread starts", () => {
    expect(FileSums.of([{ handle, size: MIB }], chunks.slice(0, 1), new Set())).toBeUndefined();
  });
});
