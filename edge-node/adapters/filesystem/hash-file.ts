import { createHash, hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { readFully } from "./durable.ts";

/** Between two pieces the event loop turns: SHA-256 of 1 MiB takes 0.6 ms, of a whole model it would hold up heartbeats. */
const PIECE_BYTES = 1_048_576;

/** SHA-256 of the first `size` bytes of a file, in hex. */
export async function hashFile(file: FileHandle, size: number): Promise<string> {
  const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size));
  const sum = createHash("sha256");
  for (let position = 0; position < size;) {
    const read = await readFully(file, buffer.subarray(0, Math.min(PIECE_BYTES, size - position)), position);
    if (read === 0) break; // shorter than it says: the sum will not match
    sum.update(buffer.subarray(0, read));
    position += read;
  }
  return sum.digest("hex");
}

/** SHA-256 of a chunk, in hex. Chunks are at most 1 MiB. */
export const hashChunk = (bytes: Uint8Array): string => hash("sha256", bytes, "hex");
