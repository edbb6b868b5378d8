import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import type { FilePiece } from "../core/catalog/onnx/file-edit.ts";
import { readFully } from "./file-reader.ts";

const BLOCK_BYTES = 1024 * 1024;

/**
 * Writes the pieces of the open file `fd` and the new bytes between them to `path`, mode 0600. A file that is there is
 * removed and never written to: an earlier check may have given it a second name in the artifact store.
 */
export function writeEdited(fd: number, path: string, pieces: readonly FilePiece[]): void {
  rmSync(path, { force: true });
  const to = openSync(path, "wx", 0o600);
  try {
    for (const piece of pieces) {
      if (piece instanceof Uint8Array) writeFully(to, piece);
      else copy(fd, to, piece);
    }
  } finally {
    closeSync(to);
  }
}

function copy(fd: number, to: number, { from, to: end }: { readonly from: number; readonly to: number }): void {
  const block = new Uint8Array(Math.min(BLOCK_BYTES, end - from));
  for (let at = from; at < end; at += block.length) {
    const part = block.subarray(0, Math.min(block.length, end - at));
    readFully(fd, at, part);
    writeFully(to, part);
  }
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
}
