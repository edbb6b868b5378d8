import { createHash, randomUUID } from "node:crypto";
import { isSkerryError, messageOf, SkerryError } from "../../../../shared/base/errors.ts";
import { Semaphore } from "../../../../shared/flow/semaphore.ts";
import type { ArtifactFile, ArtifactStore, FileState } from "../../../ports/catalog/artifacts.ts";
import type { MeasuredStoreRequest } from "../../../ports/metrics.ts";
import type { DiskSpace } from "../disk-room.ts";
import { demandSha256 } from "../names.ts";
import { BlockCache } from "./block-cache.ts";
import { Bucket, type BucketSettings } from "./bucket.ts";
import { refusalOf } from "./failures.ts";
import { inGroups } from "./in-groups.ts";
import { Scratch } from "./scratch.ts";
import { SegmentWriter } from "./segment-writer.ts";
import { endOf, UploadSegments } from "./upload-segments.ts";

const FILES = "files/";
const READ_BYTES = 8 * 1024 * 1024;
const SEGMENTS_AT_ONCE = 4;
/** Each holds a piece of 8 MiB. */
const WRITERS_AT_ONCE = 16;
const WRITER_TURN_MS = 30_000;
const DAY_MS = 86_400_000;

/** What a bucket said at the start. `refused`: it will say so again until somebody changes a setting. */
export type Probe = { readonly kind: "ready" } | { readonly kind: "refused" | "away"; readonly why: string };

/** Artifacts in a bucket that all control planes use. The README of this folder has the design. */
export class ObjectStore implements ArtifactStore {
  readonly #bucket: Bucket;
  readonly #uploads: UploadSegments;
  readonly #scratch: Scratch;
  readonly #blocks = new BlockCache();
  readonly #turns = new Semaphore(WRITERS_AT_ONCE);
  /** Uploads that this process writes to. */
  readonly #writing = new Set<string>();

  /**
   * Asks nothing of the bucket yet. `scratch`: a folder of this process alone; `onAsked` is called after each request;
   * `space` stands in for `statfs` in tests.
   */
  static async open(
    settings: BucketSettings,
    options: {
      readonly scratch: string;
      readonly onAsked?: (request: MeasuredStoreRequest) => void;
      readonly space?: (directory: string) => Promise<DiskSpace>;
    },
  ): Promise<ObjectStore> {
    const { scratch, onAsked, space } = options;
    return new ObjectStore(new Bucket(settings, onAsked), await Scratch.open(scratch, space));
  }

  private constructor(bucket: Bucket, scratch: Scratch) {
    this.#bucket = bucket;
    this.#scratch = scratch;
    this.#uploads = new UploadSegments(bucket);
  }

  /**
   * Whether the bucket lets this control plane list, store, read and delete, tried with an object of a few bytes. Clears
   * away what was begun in parts more than a day before `now`, in ms since 1970, and left by a process that died.
   */
  async probe(now: number): Promise<Probe> {
    const key = `probe/${randomUUID()}`;
    try {
      await this.#uploads.ids();
      await this.#bucket.putNew(key, Buffer.from("skerry"));
      await this.#bucket.read(key, { offset: 0, length: 6 });
      await this.#bucket.delete([key]);
      await this.#bucket.abortOldUploads(FILES, new Date(now - DAY_MS));
      return { kind: "ready" };
    } catch (error) {
      const isRefused = isSkerryError(error) && refusalOf(error.cause) !== undefined;
      return { kind: isRefused ? "refused" : "away", why: messageOf(error) };
    }
  }

  async uploadOffset(uploadId: string): Promise<number> {
    return endOf(await this.#uploads.of(uploadId));
  }

  /** Also throws `RATE_LIMITED` when 16 other uploads keep this one waiting for 30 s. */
  async append(
    upload: { id: string; offset: number; maxBytes: number },
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    const { id, offset } = upload;
    if (this.#writing.has(id))
      throw new SkerryError(
        "CONFLICT",
        `another connection is writing to upload ${id}; it is cut off when it falls silent`,
      );
    this.#writing.add(id);
    try {
      const release = await this.#turn();
      try {
        const end = await this.uploadOffset(id);
        if (end !== offset)
          throw new SkerryError("UPLOAD_OFFSET", `upload ${id} has ${end} bytes and these begin at ${offset}`);
        return await new SegmentWriter(this.#uploads, upload).append(bytes);
      } finally {
        release();
      }
    } finally {
      this.#writing.delete(id);
    }
  }

  async #turn(): Promise<() => void> {
    try {
      return await this.#turns.take(AbortSignal.timeout(WRITER_TURN_MS));
    } catch (error) {
      throw new SkerryError("RATE_LIMITED", `${WRITERS_AT_ONCE} uploads are being written by this control plane`, {
        retryAfterMs: 5_000,
        cause: error,
      });
    }
  }

  async fetchUpload(uploadId: string, signal?: AbortSignal): Promise<void> {
    const segments = await this.#uploads.of(uploadId);
    const bytes = endOf(segments);
    if (bytes === 0) throw noBytes(uploadId);
    if ((await this.#scratch.bytesOf(uploadId)) === bytes) return;
    await this.#scratch.make(uploadId, bytes, (write) =>
      inGroups(segments, SEGMENTS_AT_ONCE, async ({ key, offset, bytes: length }) => {
        const piece = await this.#bucket.read(key, { offset: 0, length }, signal);
        if (piece?.length !== length) throw noBytes(uploadId);
        await write(piece, offset);
      }),
    );
  }

  uploadPath(uploadId: string): string {
    return this.#scratch.path(uploadId);
  }

  async adopt(uploadId: string, sha256: string, signal?: AbortSignal): Promise<void> {
    const key = keyOf(sha256);
    let bytes = await this.#scratch.bytesOf(uploadId);
    if (bytes === undefined) {
      bytes = await this.uploadOffset(uploadId);
      if (bytes === 0) {
        // Adopted and discarded before: nothing is left to do. Otherwise the bytes are gone.
        if (await this.#bucket.head(key)) return;
        throw noBytes(uploadId);
      }
      await this.fetchUpload(uploadId, signal);
    }
    await this.#bucket.putFile(key, { path: this.#scratch.path(uploadId), bytes, sha256 }, signal);
  }

  async discardUpload(uploadId: string): Promise<void> {
    await this.#scratch.remove(uploadId);
    await this.#uploads.delete(uploadId);
  }

  async uploadIds(): Promise<readonly string[]> {
    return [...new Set([...(await this.#uploads.ids()), ...(await this.#scratch.ids())])];
  }

  async look({ sha256, bytes }: { readonly sha256: string; readonly bytes: number }): Promise<FileState> {
    const found = await this.#bucket.head(keyOf(sha256));
    if (!found) return "missing";
    return found.bytes === bytes ? "whole" : "cut";
  }

  async verify(
    file: { readonly sha256: string; readonly bytes: number },
    pace: (bytes: number) => Promise<void>,
  ): Promise<FileState> {
    const state = await this.look(file);
    if (state !== "whole") return state;
    const hash = createHash("sha256");
    for (let offset = 0; offset < file.bytes;) {
      const block = await this.#bucket.read(keyOf(file.sha256), { offset, length: READ_BYTES });
      if (!block) return "missing";
      if (block.length === 0) return "cut";
      hash.update(block);
      offset += block.length;
      await pace(block.length);
    }
    return hash.digest("hex") === file.sha256 ? "whole" : "rotten";
  }

  async remove(sha256: string): Promise<void> {
    await this.#bucket.delete([keyOf(sha256)]);
  }

  async open(sha256: string): Promise<ArtifactFile> {
    const bytes = await this.#bytesOf(sha256);
    return {
      read: async (offset, into) => {
        if (offset + into.length > bytes)
          throw new Error(`artifact ${sha256} ends at byte ${bytes}, ${offset + into.length} were asked for`);
        return this.#blocks.read(sha256, { offset, into }, (range) => this.#read(sha256, range));
      },
      close: () => Promise.resolve(),
    };
  }

  /** Range after range: a reader that takes its time holds no connection. */
  async *stream(sha256: string): AsyncGenerator<Uint8Array> {
    const bytes = await this.#bytesOf(sha256);
    for (let offset = 0; offset < bytes;) {
      const block = await this.#read(sha256, { offset, length: READ_BYTES });
      if (block.length === 0) return;
      yield block;
      offset += block.length;
    }
  }

  async #bytesOf(sha256: string): Promise<number> {
    const found = await this.#bucket.head(keyOf(sha256));
    if (!found) throw noFile(sha256);
    return found.bytes;
  }

  async #read(sha256: string, range: { readonly offset: number; readonly length: number }): Promise<Uint8Array> {
    const block = await this.#bucket.read(keyOf(sha256), range);
    if (!block) throw noFile(sha256);
    return block;
  }
}

const keyOf = (sha256: string): string => FILES + demandSha256(sha256);

const noBytes = (uploadId: string): SkerryError => new SkerryError("NOT_FOUND", `upload ${uploadId} has no bytes`);

const noFile = (sha256: string): SkerryError =>
  new SkerryError("NOT_FOUND", `the artifact store has no file ${sha256}`);
