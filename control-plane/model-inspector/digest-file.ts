import { createHash, type Hash } from "node:crypto";
import type { DigestedFile } from "../core/catalog/build-manifest.ts";
import { Chunker } from "../core/catalog/chunking/chunker.ts";
import { readFully } from "./file-reader.ts";

const BLOCK_BYTES = 1024 * 1024;

/** Digest, chunks and their digests of the first `bytes` of a file, in one pass. */
export function digestFile(fd: number, bytes: number): DigestedFile {
  const whole = createHash("sha256");
  const chunks = new ChunkDigests();
  const block = new Uint8Array(Math.min(BLOCK_BYTES, bytes));
  for (let offset = 0; offset < bytes; offset += block.length) {
    const part = block.subarray(0, Math.min(block.length, bytes - offset));
    readFully(fd, offset, part);
    whole.update(part);
    chunks.push(part);
  }
  return { bytes, sha256: whole.digest("hex"), chunks: chunks.finish() };
}

/** Hashes each chunk as its cuts are found. */
class ChunkDigests {
  readonly #chunker = new Chunker();
  readonly #chunks: [number, string][] = [];
  #hash: Hash = createHash("sha256");
  #offset = 0;
  #lastCut = 0;

  push(block: Uint8Array): void {
    const blockStart = this.#offset;
    for (const cut of this.#chunker.push(block)) {
      this.#hash.update(block.subarray(this.#offset - blockStart, cut - blockStart));
      this.#offset = cut;
      this.#close(cut);
    }
    this.#hash.update(block.subarray(this.#offset - blockStart));
    this.#offset = blockStart + block.length;
  }

  finish(): readonly (readonly [number, string])[] {
    const last = this.#chunker.finish();
    if (last !== undefined) this.#close(last);
    return this.#chunks;
  }

  #close(cut: number): void {
    this.#chunks.push([cut - this.#lastCut, this.#hash.digest("hex")]);
    this.#hash = createHash("sha256");
    this.#lastCut = cut;
  }
}
