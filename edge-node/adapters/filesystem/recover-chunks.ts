import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { chunksOf, type ChunkRef, type Manifest } from "../../../shared/protocol/model-files/manifest.ts";
import type { StagedFile } from "./chunk-staging.ts";
import { readFully, writeFully } from "./durable.ts";
import { hashChunk } from "./hash-file.ts";

const MAX_CHUNK_BYTES = 1_048_576;

/** Which chunks of a staging's files have the right SHA-256. Reads every byte: what a crash left is not trusted. */
export async function soundChunks(
  files: readonly StagedFile[],
  chunks: readonly ChunkRef[],
): Promise<{ readonly present: Set<number>; readonly partial: { chunk: number; offset: number } | undefined }> {
  const present = new Set<number>();
  let partial: { chunk: number; offset: number } | undefined;
  const buffer = Buffer.allocUnsafe(MAX_CHUNK_BYTES);
  for (const chunk of chunks) {
    const file = files[chunk.file];
    if (!file) continue;
    const bytes = buffer.subarray(0, chunk.length);
    if ((await readFully(file.handle, bytes, chunk.offset)) < chunk.length) continue;
    if (hashChunk(bytes) === chunk.sha256) present.add(chunk.index);
    else partial ??= { chunk: chunk.index, offset: lastNonZero(bytes) + 1 };
  }
  const isUsable = partial && partial.offset > 0 && partial.offset < (chunks[partial.chunk]?.length ?? 0);
  return { present, partial: isUsable ? partial : undefined };
}

/**
 * How far a half-written chunk got. The file began as zeros and chunks are written from their start, so what follows
 * the last other byte was not written; if it was a zero after all, it merely travels again.
 */
function lastNonZero(bytes: Uint8Array): number {
  for (let index = bytes.byteLength - 1; index >= 0; index -= 1) if (bytes[index] !== 0) return index;
  return -1;
}

/** Copies into `files` the chunks in `missing` that complete artifacts hold. Returns those that are there now, hashed. */
export async function reuseChunks(
  files: readonly StagedFile[],
  missing: readonly ChunkRef[],
  sources: readonly { readonly directory: string; readonly manifest: Manifest }[],
): Promise<Set<number>> {
  const wanted = new Map<string, ChunkRef[]>();
  for (const chunk of missing) wanted.set(chunk.sha256, [...(wanted.get(chunk.sha256) ?? []), chunk]);
  const found = new Set<number>();
  const buffer = Buffer.allocUnsafe(MAX_CHUNK_BYTES);
  for (const { directory, manifest } of sources) {
    const opened = new Map<number, FileHandle>();
    try {
      for (const source of chunksOf(manifest)) {
        const targets = wanted.get(source.sha256);
        const name = manifest.files[source.file]?.name;
        if (!targets || name === undefined) continue;
        const handle = opened.get(source.file) ?? (await open(join(directory, name), "r"));
        opened.set(source.file, handle);
        const bytes = buffer.subarray(0, source.length);
        const read = await readFully(handle, bytes, source.offset);
        if (read < source.length || hashChunk(bytes) !== source.sha256) continue; // went bad: it travels instead
        for (const target of targets) {
          const file = files[target.file];
          if (!file) continue;
          await writeFully(file.handle, bytes, target.offset);
          found.add(target.index);
        }
        wanted.delete(source.sha256);
      }
    } finally {
      await Promise.all([...opened.values()].map((handle) => handle.close()));
    }
  }
  return found;
}
