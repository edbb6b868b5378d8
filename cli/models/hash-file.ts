import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

/** What is known of a file before it is sent. */
export interface HashedFile {
  readonly path: string;
  readonly bytes: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

export async function fileSize(path: string): Promise<number> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new CliFailure(
      EXIT.error,
      { what: `cannot read ${path}`, why: [error.code === "ENOENT" ? "there is no such file" : error.message] },
      { cause: error },
    );
  });
  if (!found.isFile()) throw new CliFailure(EXIT.error, { what: `${path} is not a file` });
  if (found.size === 0) throw new CliFailure(EXIT.error, { what: `${path} is empty` });
  return found.size;
}

/** Reads the file once, piece by piece; a model of 2 GiB is never held in memory. */
export async function hashFile(
  path: string,
  onProgress: (done: number) => void,
  signal: AbortSignal,
): Promise<HashedFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
    hash.update(piece);
    bytes += piece.length;
    onProgress(bytes);
  }
  return { path, bytes, sha256: hash.digest("hex") };
}
