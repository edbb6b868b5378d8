import type { ByteSource } from "../byte-source.ts";

/** Offsets in a file: from the first byte to the one behind the last. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** New bytes in place of a range. */
export interface Edit extends Range {
  readonly bytes: Uint8Array;
}

/** A part of the old file, as offsets, or new bytes. */
export type FilePiece = Range | Uint8Array;

/** The range `of` with its edits, in order. */
export function piecesOf(of: Range, edits: readonly Edit[]): readonly FilePiece[] {
  const pieces: FilePiece[] = [];
  let at = of.from;
  for (const { from, to, bytes } of edits.toSorted((a, b) => a.from - b.from)) {
    pieces.push({ from: at, to: from }, bytes);
    at = to;
  }
  pieces.push({ from: at, to: of.to });
  return pieces;
}

/** How many bytes the edits add. */
export const growthOf = (edits: readonly Edit[]): number =>
  edits.reduce((sum, { from, to, bytes }) => sum + bytes.length - (to - from), 0);

/** A range of a source as a source. */
export const partOf = (source: ByteSource, { from, to }: Range): ByteSource => ({
  size: to - from,
  read: (offset, length) => source.read(from + offset, length),
});
