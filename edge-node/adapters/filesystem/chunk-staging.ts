import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { ChunkRef } from "../../../shared/protocol/model-files/manifest.ts";
import type { Staging } from "../../ports/disk.ts";
import { diskFull, readFully, writeFully } from "./durable.ts";
import { FileSums } from "./file-sums.ts";
import { hashChunk, hashFile } from "./hash-file.ts";

/** One file of the artifact, preallocated (sparse) at its full size. */
export interface StagedFile {
  readonly handle: FileHandle;
  readonly size: number;
  readonly sha256: string;
  /** Nothing was ever written to it. */
  readonly isNew: boolean;
}

interface Parts {
  readonly files: readonly StagedFile[];
  readonly chunks: readonly ChunkRef[];
  readonly present: ReadonlySet<number>;
  readonly partial: { readonly chunk: number; readonly offset: number } | undefined;
  /** Throws when the disk has come too close to full. */
  readonly checkSpace: () => Promise<void>;
  /** Moves the folder into place, its files closed and sound. */
  readonly publish: () => Promise<void>;
  readonly onClosed: () => void;
}

/** The chunks of one artifact as they arrive, each at its place in the final file. */
export class ChunkStaging implements Staging {
  readonly present: ReadonlySet<number>;
  readonly partial: { readonly chunk: number; readonly offset: number } | undefined;
  readonly #parts: Parts;
  /** The running sum of a chunk whose bytes have come in order from its start: saves reading it back. */
  #sum: { readonly chunk: number; readonly hash: Hash; next: number } | undefined;
  readonly #sums: FileSums | undefined;
  readonly #writing = new Set<Promise<unknown>>();
  #failure: unknown;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.present = parts.present;
    this.partial = parts.partial;
    this.#sums = FileSums.of(parts.files, parts.chunks, parts.present);
  }

  /**
   * Does not wait for the disk: a write that waits for an fsync beside it would hold up the network. What is under way
   * is bounded by the transfer's window; a failure shows at the next call or at `sync`.
   */
  async write(chunk: number, offset: number, payload: Uint8Array): Promise<void> {
    const { ref, file } = this.#find(chunk);
    if (offset + payload.byteLength > ref.length) throw new RangeError(`chunk ${chunk} has ${ref.length} bytes`);
    if (offset === 0) this.#sum = { chunk, hash: createHash("sha256"), next: 0 };
    if (this.#sum?.chunk === chunk && this.#sum.next === offset) {
      this.#sum.hash.update(payload);
      this.#sum.next += payload.byteLength;
    } else {
      this.#sum = undefined;
    }
    if (this.#failure !== undefined) throw this.#failure;
    const writing: Promise<unknown> = writeFully(file.handle, payload, ref.offset + offset)
      .catch((error: unknown) => (this.#failure ??= diskFull(error)))
      .then(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  /** Of the bytes handed over, when all came since this staging was opened; else of the bytes on the disk. */
  async verifyChunk(chunk: number): Promise<boolean> {
    const { ref, file } = this.#find(chunk);
    const isSound = await this.#isSound(chunk, ref, file);
    // Its last bytes may be on their way to the file. A failure shows at the next call.
    if (isSound && this.#sums)
      this.#allWritten().then(
        () => this.#sums?.add(ref),
        () => undefined,
      );
    return isSound;
  }

  async #isSound(chunk: number, ref: ChunkRef, file: StagedFile): Promise<boolean> {
    const sum = this.#sum;
    if (sum?.chunk === chunk && sum.next === ref.length) {
      this.#sum = undefined;
      return sum.hash.digest("hex") === ref.sha256;
    }
    await this.#allWritten();
    const bytes = Buffer.allocUnsafe(ref.length);
    const read = await readFully(file.handle, bytes, ref.offset);
    return read === ref.length && hashChunk(bytes) === ref.sha256;
  }

  async sync(): Promise<void> {
    await this.#allWritten();
    try {
      for (const { handle } of this.#parts.files) await handle.datasync();
    } catch (error) {
      throw diskFull(error);
    }
    await this.#parts.checkSpace();
  }

  async commit(): Promise<boolean> {
    const { files, publish } = this.#parts;
    await this.#allWritten();
    let isSound = true;
    for (const [index, { handle, size, sha256 }] of files.entries()) {
      if (((await this.#sums?.of(index)) ?? (await hashFile(handle, size))) === sha256) {
        await handle.chmod(0o400);
        await handle.sync();
      } else {
        isSound = false;
        await handle.truncate(0);
      }
    }
    await this.close();
    if (isSound) await publish();
    return isSound;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([...this.#writing, this.#sums?.stop()]);
    await Promise.all(this.#parts.files.map(({ handle }) => handle.close()));
    this.#parts.onClosed();
  }

  /** The writes begun so far are in the page cache; throws what went wrong with one of them. */
  async #allWritten(): Promise<void> {
    await Promise.all(this.#writing);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #find(chunk: number): { readonly ref: ChunkRef; readonly file: StagedFile } {
    const ref = this.#parts.chunks[chunk];
    const file = ref && this.#parts.files[ref.file];
    if (!ref || !file) throw new RangeError(`there is no chunk ${chunk}`);
    return { ref, file };
  }
}
