import { statfs } from "node:fs/promises";
import { SkerryError } from "../../../shared/base/errors.ts";

const FLOOR_BYTES = 2 * 1024 ** 3;
const FLOOR_PART = 0.05;

/** What a file system has, in bytes. */
export interface DiskSpace {
  readonly total: number;
  /** What this process may still write. */
  readonly available: number;
}

/**
 * What stays free for everybody else: 2 GiB, or 5 % on disks smaller than 40 GiB. The larger of the two would keep 50 GiB
 * of a 1 TB disk idle, and all of a 2 GiB volume.
 */
const floorOf = (total: number): number => Math.min(FLOOR_BYTES, FLOOR_PART * total);

/** Refuses with `STORAGE_FULL` when `bytes` more would leave less than the floor. */
export function demandRoom(space: DiskSpace, bytes: number, directory: string): void {
  const floor = floorOf(space.total);
  if (space.available - bytes >= floor) return;
  throw storageFull(
    directory,
    `${mib(bytes)} more would leave less than ${mib(floor)} of ${mib(space.total)} free; ${mib(space.available)} are free now`,
  );
}

export const storageFull = (directory: string, why: string, cause?: unknown): SkerryError =>
  new SkerryError("STORAGE_FULL", `the disk under ${directory} is full: ${why}`, { cause });

export async function diskSpace(directory: string): Promise<DiskSpace> {
  const { bsize, blocks, bavail } = await statfs(directory);
  return { total: bsize * blocks, available: bsize * bavail };
}

const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** Room that what is being written will still need, so that together it does not take more than there is. */
export class Reservations {
  readonly #wanted = new Map<string, number>();

  set(id: string, bytes: number): void {
    this.#wanted.set(id, bytes);
  }

  release(id: string): void {
    this.#wanted.delete(id);
  }

  get total(): number {
    let sum = 0;
    for (const bytes of this.#wanted.values()) sum += bytes;
    return sum;
  }
}
