import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, link, mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { isSkerryError, SkerryError } from "../../../../shared/base/errors.ts";
import type { ArtifactFile, ArtifactStore, FileState } from "../../../ports/catalog/artifacts.ts";
import { type DiskSpace, Reservations } from "../disk-room.ts";
import { hasCode, readFully, syncDirectory, syncFile, unlessMissing } from "../files.ts";
import { Layout } from "./layout.ts";
import { UploadWriter } from "./upload-writer.ts";

const READ_BYTES = 256 * 1024;

/**
 * Artifacts in a directory. An upload grows under `uploads/`; when it was checked, its bytes get their digest as name
 * under `files/`, by a second link and a rename, so that at any moment they are whole or absent. A file under `files/`
 * never changes.
 */
export class FileStore implements ArtifactStore {
  readonly #layout: Layout;
  readonly #space: ((directory: string) => Promise<DiskSpace>) | undefined;
  readonly #reservations = new Reservations();
  /** Uploads that are being written; each has one writer. */
  readonly #writers = new Map<string, UploadWriter>();

  /** Makes the directories, mode 0700, and clears away what an interrupted adoption left. `space` stands in for `statfs` in tests. */
  static async open(
    root: string,
    options: { readonly space?: (directory: string) => Promise<DiskSpace> } = {},
  ): Promise<FileStore> {
    const layout = new Layout(root);
    for (const directory of [layout.uploads, layout.files]) await mkdir(directory, { recursive: true, mode: 0o700 });
    await syncDirectory(root);
    for (const entry of await readdir(layout.files))
      if (Layout.isStaged(entry)) await rm(join(layout.files, entry), { force: true });
    return new FileStore(layout, options.space);
  }

  private constructor(layout: Layout, space: ((directory: string) => Promise<DiskSpace>) | undefined) {
    this.#layout = layout;
    this.#space = space;
  }

  async uploadOffset(uploadId: string): Promise<number> {
    const durable = this.#writers.get(uploadId)?.durable;
    return durable ?? (await unlessMissing(stat(this.#layout.upload(uploadId))))?.size ?? 0;
  }

  /** Also throws `CONFLICT` while somebody else writes to the same upload. */
  async append(
    upload: { id: string; offset: number; maxBytes: number },
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    const path = this.#layout.upload(upload.id);
    if (this.#writers.has(upload.id)) {
      throw new SkerryError(
        "CONFLICT",
        `another connection is writing to upload ${upload.id}; it is cut off when it falls silent`,
      );
    }
    const writer = new UploadWriter(
      { ...upload, path },
      { directory: this.#layout.uploads, reservations: this.#reservations, ...(this.#space && { space: this.#space }) },
    );
    this.#writers.set(upload.id, writer);
    try {
      return await writer.append(bytes);
    } finally {
      this.#writers.delete(upload.id);
    }
  }

  /** It is a file of this machine already. */
  async fetchUpload(uploadId: string): Promise<void> {
    if (!(await unlessMissing(stat(this.#layout.upload(uploadId)))))
      throw new SkerryError("NOT_FOUND", `upload ${uploadId} has no bytes`);
  }

  uploadPath(uploadId: string): string {
    return this.#layout.upload(uploadId);
  }

  /**
   * The upload keeps its name until it is discarded: a process that dies between here and the commit of the version finds
   * it again and repeats the check. A rename of the upload itself would leave a version that nobody can finish.
   */
  async adopt(uploadId: string, sha256: string): Promise<void> {
    const staged = this.#layout.staged(sha256, uploadId);
    await rm(staged, { force: true });
    try {
      await syncFile(this.#layout.upload(uploadId));
      await secondName(this.#layout.upload(uploadId), staged);
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
      // Adopted and discarded before: nothing is left to do. Otherwise the bytes are gone.
      if (await unlessMissing(stat(this.#layout.file(sha256)))) return;
      throw new SkerryError("NOT_FOUND", `upload ${uploadId} has no bytes`, { cause: error });
    }
    await rename(staged, this.#layout.file(sha256));
    // POSIX: renaming one of two names of the same file does nothing, which is what a second adoption finds.
    await rm(staged, { force: true });
    await syncDirectory(this.#layout.files);
  }

  async discardUpload(uploadId: string): Promise<void> {
    await rm(this.#layout.upload(uploadId), { force: true });
  }

  async uploadIds(): Promise<readonly string[]> {
    const entries = await readdir(this.#layout.uploads);
    return entries.map((entry) => Layout.uploadId(entry)).filter((id) => id !== undefined);
  }

  async look({ sha256, bytes }: { readonly sha256: string; readonly bytes: number }): Promise<FileState> {
    const found = await unlessMissing(stat(this.#layout.file(sha256)));
    if (!found) return "missing";
    return found.size === bytes ? "whole" : "cut";
  }

  async verify(
    file: { readonly sha256: string; readonly bytes: number },
    pace: (bytes: number) => Promise<void>,
  ): Promise<FileState> {
    const state = await this.look(file);
    if (state !== "whole") return state;
    const hash = createHash("sha256");
    try {
      for await (const block of this.stream(file.sha256)) {
        hash.update(block);
        await pace(block.length);
      }
    } catch (error) {
      // A block of the disk that cannot be read is as lost as one that was changed.
      if (hasCode(error, "EIO")) return "rotten";
      if (isSkerryError(error) && error.code === "NOT_FOUND") return "missing";
      throw error;
    }
    return hash.digest("hex") === file.sha256 ? "whole" : "rotten";
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.#layout.file(sha256), { force: true });
  }

  async open(sha256: string): Promise<ArtifactFile> {
    const file = await this.#handle(sha256);
    return {
      async read(offset, into) {
        const count = await readFully(file, into, offset);
        if (count < into.length)
          throw new Error(`artifact ${sha256} ends at byte ${offset + count}, ${offset + into.length} were asked for`);
      },
      close: () => file.close(),
    };
  }

  async *stream(sha256: string): AsyncGenerator<Uint8Array> {
    const file = await this.#handle(sha256);
    try {
      for (let offset = 0; ;) {
        const block = new Uint8Array(READ_BYTES); // a fresh one each time: the reader may keep it
        const count = await readFully(file, block, offset);
        if (count > 0) yield block.subarray(0, count);
        if (count < block.length) return;
        offset += count;
      }
    } finally {
      await file.close();
    }
  }

  async #handle(sha256: string): Promise<FileHandle> {
    const file = await unlessMissing(open(this.#layout.file(sha256), constants.O_RDONLY | constants.O_NOFOLLOW));
    if (!file) throw new SkerryError("NOT_FOUND", `the artifact store has no file ${sha256}`);
    return file;
  }
}

/** A hard link; a copy on file systems without them. */
async function secondName(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!hasCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "ENOSYS")) throw error;
    await copyFile(from, to);
    await syncFile(to);
  }
}
