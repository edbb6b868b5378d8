import { open, type FileHandle } from "node:fs/promises";

/** True when `error` is the operating system's with one of these codes. Not by `instanceof`: realms differ under Jest. */
export const hasCode = (error: unknown, ...codes: readonly string[]): boolean =>
  typeof error === "object" && error !== null && "code" in error && codes.includes(String(error.code));

/** What `work` returns; undefined when the file is not there. */
export async function unlessMissing<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Makes the entries of a directory survive a loss of power: a rename alone does not. */
export const syncDirectory = (path: string): Promise<void> => sync(path, "r");

/** Makes a file's bytes survive a loss of power, also those that a process wrote which is gone. */
export const syncFile = (path: string): Promise<void> => sync(path, "r+");

async function sync(path: string, flags: "r" | "r+"): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes all of `bytes` at `offset`. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, offset + written);
    written += bytesWritten;
  }
}

/** Reads up to `into.length` bytes at `offset`; fewer only at the file's end. Returns their number. */
export async function readFully(file: FileHandle, into: Uint8Array, offset: number): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
