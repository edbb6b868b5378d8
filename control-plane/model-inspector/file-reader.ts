import { fstatSync, readSync } from "node:fs";
import type { ByteSource } from "../core/catalog/byte-source.ts";

/**
 * An open file as a source. Reads block, which is what a process with one task wants: no other work waits behind them.
 * Throws when the file became shorter than it was.
 */
export function fileSource(fd: number): ByteSource {
  const { size } = fstatSync(fd);
  return {
    size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      readFully(fd, offset, bytes);
      return bytes;
    },
  };
}

/** Fills `into` from `offset`. */
export function readFully(fd: number, offset: number, into: Uint8Array): void {
  let filled = 0;
  while (filled < into.length) {
    const count = readSync(fd, into, filled, into.length - filled, offset + filled);
    if (count === 0) throw new Error(`the file ended at byte ${offset + filled} while it was read`);
    filled += count;
  }
}
