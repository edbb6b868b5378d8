import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { parsePartId, partId } from "../../core/catalog/upload-part.ts";
import type { ArtifactStore } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore, UploadRow } from "../../ports/catalog/catalog.ts";
import type { CatalogChecks } from "./catalog-checks.ts";

const PERIOD_MS = 60_000;

/**
 * What happens to uploads that nobody finishes, at the start and every minute:
 * - a repair with all its bytes, and not here: nothing but this says that its check was interrupted, so it begins again;
 * - `uploading` and past its life (a day, by the database's clock): rejected, unless bytes are arriving right now;
 * - `checking`, and not here: a stop or a crash interrupted the check, so it begins again;
 * - bytes without an upload in the catalog: deleted.
 */
export class UploadJanitor {
  readonly #catalog: CatalogStore;
  readonly #artifacts: ArtifactStore;
  readonly #checks: CatalogChecks;
  readonly #isArriving: (uploadId: string) => boolean;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #running: Promise<void> = Promise.resolve();
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(parts: {
    catalog: CatalogStore;
    artifacts: ArtifactStore;
    checks: CatalogChecks;
    /** Whether bytes of this upload arrived lately. */
    isArriving: (uploadId: string) => boolean;
    clock: Clock;
    logger: Logger;
  }) {
    this.#catalog = parts.catalog;
    this.#artifacts = parts.artifacts;
    this.#checks = parts.checks;
    this.#isArriving = parts.isArriving;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  start(): void {
    this.#running = this.#sweep();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  /** Resolves when no sweep is under way. */
  idle(): Promise<void> {
    return this.#running;
  }

  /** Never rejects: what failed is tried again in a minute. */
  async #sweep(): Promise<void> {
    try {
      for (const { id, state, expired, isRepair } of await this.#catalog.unfinishedUploads()) {
        if (this.#isStopped) return;
        if (this.#checks.has(id)) continue;
        if (state === "checking") await this.#resume(id, { expired });
        else if (isRepair && (await this.#resumeRepair(id))) continue;
        else if (expired) await this.#expire(id);
      }
      await this.#collect();
    } catch (error) {
      this.#logger.warn({ error: messageOf(error) }, "the sweep over uploads broke off; the next one goes on");
    }
    if (this.#isStopped) return;
    this.#cancel = this.#clock.after(PERIOD_MS, () => {
      this.#running = this.#sweep();
    });
  }

  async #expire(uploadId: string): Promise<void> {
    if (this.#isArriving(uploadId)) return;
    const upload = await this.#catalog.upload(uploadId);
    if (upload?.state !== "uploading") return;
    const offset = await this.#bytesOf(upload);
    await this.#checks.reject(
      upload,
      `upload expired: ${offset} of ${upload.bytes} bytes had arrived; declare the version again`,
    );
  }

  async #resume(uploadId: string, { expired }: { readonly expired: boolean }): Promise<void> {
    const upload = await this.#catalog.upload(uploadId);
    if (upload?.state !== "checking") return;
    const offset = await this.#bytesOf(upload);
    if (offset === upload.bytes) return this.#checks.begin(upload);
    // Another replica with a directory of its own may have them. It has until the upload's end of life.
    if (expired) await this.#checks.reject(upload, lost(upload, offset));
    else
      this.#logger.warn(
        { upload: uploadId, offset, bytes: upload.bytes },
        "the bytes of an upload in its check are not here",
      );
  }

  /**
   * Begins the check of a repair whose bytes are all here; false when some are missing. One whose last bytes came in the
   * last minute is left to its sender, who is about to complete it.
   */
  async #resumeRepair(uploadId: string): Promise<boolean> {
    if (this.#isArriving(uploadId)) return true;
    const upload = await this.#catalog.upload(uploadId);
    if (upload?.repairs === undefined) return true; // it has ended meanwhile
    if ((await this.#bytesOf(upload)) !== upload.bytes) return false;
    this.#checks.begin(upload);
    return true;
  }

  async #collect(): Promise<void> {
    for (const part of await this.#artifacts.uploadIds()) {
      if (this.#isStopped) return;
      const uploadId = parsePartId(part)?.uploadId ?? part;
      if (this.#checks.has(uploadId) || this.#isArriving(uploadId)) continue;
      if ((await this.#catalog.upload(uploadId)) === null) await this.#artifacts.discardUpload(part);
    }
  }

  /** Of all files. */
  async #bytesOf({ id, files }: UploadRow): Promise<number> {
    let bytes = 0;
    for (const index of files.keys()) bytes += await this.#artifacts.uploadOffset(partId(id, index));
    return bytes;
  }
}

const lost = ({ bytes }: UploadRow, offset: number): string =>
  `the artifact store lost its bytes: ${offset} of ${bytes} are there; declare the version again`;
