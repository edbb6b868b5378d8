import { open, rename, unlink, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "../../../shared/base/errors.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";

/**
 * Replaces a file so that after a crash at any moment either the old or the new content is there: a new file, fsync,
 * rename, fsync of the folder. The old file is never opened for writing: that would empty it before a write that fails.
 */
export async function writeDurably(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.new`;
  try {
    const file = await open(temporary, "w", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw diskFull(error);
  }
}

/** Makes renames and new entries of a folder durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The error as `DISK_FULL` when the disk, or the quota, is used up; else as it is. */
export function diskFull(error: unknown): unknown {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT" || code === "EROFS"
    ? hostFailure("DISK_FULL", `the disk takes no more: ${messageOf(error)}`, error)
    : error;
}

/** The system's name for what went wrong, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  const isObject = typeof error === "object" && error !== null; // not `instanceof`: realms differ under Jest
  return isObject && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** `undefined` when there is no such file or folder. */
export async function unlessMissing<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes all of `bytes` at `position`. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done);
    done += bytesWritten;
  }
}

/** Fills `into` from `position`; returns how many bytes there were. */
export async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.byteLength) {
    const { bytesRead } = await file.read(into, done, into.byteLength - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
