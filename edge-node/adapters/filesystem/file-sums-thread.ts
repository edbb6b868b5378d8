import { createHash, type Hash } from "node:crypto";
import { readSync } from "node:fs";
import { parentPort } from "node:worker_threads";

/** Bytes from where the sum of the file is, up to `end`. */
export interface SumQuestion {
  readonly file: number;
  readonly fd: number;
  readonly end: number;
  /** A `SumReply` is wanted; nothing follows for this file. */
  readonly isLast: boolean;
}

export interface SumReply {
  /** In hex. */
  readonly sum: string;
}

const PIECE_BYTES = 1_048_576;
const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
const sums = new Map<number, { readonly hash: Hash; position: number }>();

/** The thread of `FileSums`. */
parentPort?.on("message", ({ file, fd, end, isLast }: SumQuestion) => {
  const sum = sums.get(file) ?? { hash: createHash("sha256"), position: 0 };
  sums.set(file, sum);
  while (sum.position < end) {
    const read = readSync(fd, piece, 0, Math.min(PIECE_BYTES, end - sum.position), sum.position);
    if (read === 0) break; // shorter than it says: the sum will not match
    sum.hash.update(piece.subarray(0, read));
    sum.position += read;
  }
  if (isLast) parentPort?.postMessage({ sum: sum.hash.digest("hex") } satisfies SumReply);
});
