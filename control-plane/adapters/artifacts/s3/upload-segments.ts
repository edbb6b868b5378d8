import { demandId } from "../names.ts";
import type { Bucket } from "./bucket.ts";

const UPLOADS = "uploads/";
/** Digits of an offset in a key, so that keys are in the order of offsets. */
const DIGITS = 16;

export interface Segment {
  readonly key: string;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * The bytes of uploads: one object for each piece that was made durable, `uploads/<id>/<offset>`. An object cannot grow,
 * and a list of objects is the same for every control plane, so that an upload may go on at any of them. Each piece is
 * stored where there is none with its offset: of two writers that begin at the same offset one is refused, and a piece
 * begins only where another one ends.
 */
export class UploadSegments {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /** From offset 0 without a gap. */
  async of(id: string): Promise<readonly Segment[]> {
    const folder = folderOf(id);
    return withoutGap(
      (await this.#bucket.list(folder)).map(({ key, bytes }) => ({ key, bytes, offset: offsetIn(key, folder) })),
    );
  }

  /** False when another writer has stored other bytes at this offset. */
  write(id: string, offset: number, bytes: Uint8Array): Promise<boolean> {
    return this.#bucket.putNew(folderOf(id) + String(offset).padStart(DIGITS, "0"), bytes);
  }

  async delete(id: string): Promise<void> {
    // Also those behind a gap.
    await this.#bucket.delete((await this.#bucket.list(folderOf(id))).map(({ key }) => key));
  }

  ids(): Promise<readonly string[]> {
    return this.#bucket.folders(UPLOADS);
  }
}

/** Where the next piece begins. */
export const endOf = (segments: readonly Segment[]): number => {
  const last = segments.at(-1);
  return last ? last.offset + last.bytes : 0;
};

/** The pieces from offset 0 on, each where the one before it ends. */
export function withoutGap(found: readonly Segment[]): readonly Segment[] {
  const byOffset = new Map(found.map((segment) => [segment.offset, segment]));
  const chain: Segment[] = [];
  for (let at = 0; ;) {
    const next = byOffset.get(at);
    if (!next || next.bytes === 0) return chain;
    chain.push(next);
    at += next.bytes;
  }
}

const folderOf = (id: string): string => `${UPLOADS}${demandId(id)}/`;

const offsetIn = (key: string, folder: string): number => {
  const digits = key.slice(folder.length);
  return /^\d{16}$/.test(digits) ? Number(digits) : Number.NaN;
};
