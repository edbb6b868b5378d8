import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { demandRoom, diskSpace, type Reservations, storageFull, type DiskSpace } from "../disk-room.ts";
import { hasCode, writeFully } from "../files.ts";

/** Bytes after which they are made durable and the disk's room is looked at again. */
const SYNC_BYTES = 16 * 1024 * 1024;

export interface AppendRequest {
  readonly id: string;
  readonly path: string;
  readonly offset: number;
  readonly maxBytes: number;
}

/**
 * Writes one stream to the end of one upload. It alone writes to the file. Each block is written before the next one is
 * asked for, so a slow disk slows the sender down; when the stream breaks, what came before is made durable first.
 */
export class UploadWriter {
  readonly #request: AppendRequest;
  readonly #directory: string;
  readonly #reservations: Reservations;
  readonly #space: (directory: string) => Promise<DiskSpace>;
  #written: number;
  #durable: number;
  #isOffsetRight = false;

  constructor(
    request: AppendRequest,
    parts: { directory: string; reservations: Reservations; space?: (directory: string) => Promise<DiskSpace> },
  ) {
    this.#request = request;
    this.#directory = parts.directory;
    this.#reservations = parts.reservations;
    this.#space = parts.space ?? diskSpace;
    this.#written = request.offset;
    this.#durable = request.offset;
  }

  /** The length that survives a loss of power, in bytes; undefined while it is not yet known. */
  get durable(): number | undefined {
    return this.#isOffsetRight ? this.#durable : undefined;
  }

  /** Returns the new durable length. Throws `UPLOAD_OFFSET`, `TOO_LARGE`, `STORAGE_FULL`, and what the stream throws. */
  async append(bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const { id, path } = this.#request;
    const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      await this.#demandOffset(file);
      await this.#look();
      try {
        for await (const block of bytes) await this.#write(file, block);
      } finally {
        await this.#sync(file);
      }
      return this.#durable;
    } catch (error) {
      throw hasCode(error, "ENOSPC", "EDQUOT", "EFBIG") ? storageFull(this.#directory, "a write failed", error) : error;
    } finally {
      this.#reservations.release(id);
      await file.close();
    }
  }

  async #demandOffset(file: FileHandle): Promise<void> {
    const { id, offset } = this.#request;
    const { size } = await file.stat();
    if (size !== offset)
      throw new SkerryError("UPLOAD_OFFSET", `upload ${id} has ${size} bytes and these begin at ${offset}`);
    this.#isOffsetRight = true;
  }

  async #write(file: FileHandle, block: Uint8Array): Promise<void> {
    const { id, maxBytes } = this.#request;
    if (this.#written + block.length > maxBytes) {
      throw new SkerryError("TOO_LARGE", `upload ${id} would hold more than the ${maxBytes} bytes that were declared`);
    }
    await writeFully(file, block, this.#written);
    this.#written += block.length;
    if (this.#written - this.#durable < SYNC_BYTES) return;
    await this.#sync(file);
    await this.#look();
  }

  /** Of a block that failed half-way nothing counts: it is sent again. */
  async #sync(file: FileHandle): Promise<void> {
    await file.truncate(this.#written);
    await file.datasync();
    this.#durable = this.#written;
  }

  async #look(): Promise<void> {
    const { id, maxBytes } = this.#request;
    this.#reservations.set(id, maxBytes - this.#written);
    demandRoom(await this.#space(this.#directory), this.#reservations.total, this.#directory);
  }
}
