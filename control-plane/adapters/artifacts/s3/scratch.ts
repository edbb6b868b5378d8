import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isId } from "../../../../shared/base/ids.ts";
import { demandRoom, type DiskSpace, diskSpace, Reservations, storageFull } from "../disk-room.ts";
import { hasCode, unlessMissing, writeFully } from "../files.ts";
import { demandId } from "../names.ts";

const PART = ".part";

/** A folder of this machine for uploads in their check. What an earlier process left there is worth nothing. */
export class Scratch {
  readonly #folder: string;
  readonly #space: (directory: string) => Promise<DiskSpace>;
  readonly #reservations = new Reservations();

  /** Makes the folder anew, mode 0700. No other process may use it. */
  static async open(folder: string, space: (directory: string) => Promise<DiskSpace> = diskSpace): Promise<Scratch> {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new Scratch(folder, space);
  }

  private constructor(folder: string, space: (directory: string) => Promise<DiskSpace>) {
    this.#folder = folder;
    this.#space = space;
  }

  path(uploadId: string): string {
    return join(this.#folder, demandId(uploadId) + PART);
  }

  /** Undefined when there is none. */
  async bytesOf(uploadId: string): Promise<number | undefined> {
    return (await unlessMissing(stat(this.path(uploadId))))?.size;
  }

  /** Makes the file of an upload: whole or not at all. `fill` writes its bytes, in any order. Throws `STORAGE_FULL`. */
  async make(
    uploadId: string,
    bytes: number,
    fill: (write: (bytes: Uint8Array, offset: number) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const path = this.path(uploadId);
    const unfinished = `${path}.new`;
    this.#reservations.set(uploadId, bytes);
    try {
      demandRoom(await this.#space(this.#folder), this.#reservations.total, this.#folder);
      const file = await open(unfinished, "w", 0o600);
      try {
        await fill((part, offset) => writeFully(file, part, offset));
      } finally {
        await file.close();
      }
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw hasCode(error, "ENOSPC", "EDQUOT", "EFBIG") ? storageFull(this.#folder, "a write failed", error) : error;
    } finally {
      this.#reservations.release(uploadId);
    }
  }

  async remove(uploadId: string): Promise<void> {
    await rm(this.path(uploadId), { force: true });
  }

  async ids(): Promise<readonly string[]> {
    const entries = await readdir(this.#folder);
    return entries
      .filter((entry) => entry.endsWith(PART))
      .map((entry) => entry.slice(0, -PART.length))
      .filter(isId);
  }
}
