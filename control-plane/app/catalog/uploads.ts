import type { FileUpload, ModelVersion, UnfinishedUpload } from "../../../shared/api/v1/models.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { newId } from "../../../shared/base/ids.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { BundleFile, Runtime } from "../../../shared/protocol/model-files/bundle.ts";
import { parsePartId, partId } from "../../core/catalog/upload-part.ts";
import type { ArtifactStore } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore, UploadRow } from "../../ports/catalog/catalog.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { CatalogChecks } from "./catalog-checks.ts";
import { withMinimumRate } from "./upload-rate.ts";

/** An upload counts as alive so long after its last byte: clients send pieces, with pauses between them. */
const ARRIVING_MS = 60_000;

export interface NewVersion {
  readonly runtime: Runtime;
  /** Path of the file that the runtime loads. */
  readonly main: string;
  readonly files: readonly BundleFile[];
  readonly labels: Record<string, string>;
  readonly metrics: Record<string, number>;
}

interface UploadProgress {
  /** Bytes that are durable. */
  readonly offset: number;
  /** Bytes that were declared. */
  readonly bytes: number;
}

interface Parts {
  readonly catalog: CatalogStore;
  readonly artifacts: ArtifactStore;
  readonly checks: CatalogChecks;
  /** Throws `NOT_FOUND`. */
  readonly getVersion: (model: string, version: number) => Promise<ModelVersion>;
  readonly clock: Clock;
  readonly random: Random;
}

/** The uploads of versions that were declared, each with a part for each file, until their check begins. */
export class Uploads {
  readonly #catalog: CatalogStore;
  readonly #artifacts: ArtifactStore;
  readonly #checks: CatalogChecks;
  readonly #getVersion: Parts["getVersion"];
  readonly #clock: Clock;
  readonly #random: Random;
  /** Part → when a byte last arrived; Infinity while a connection writes. */
  readonly #arrivals = new Map<string, number>();

  constructor(parts: Parts) {
    this.#catalog = parts.catalog;
    this.#artifacts = parts.artifacts;
    this.#checks = parts.checks;
    this.#getVersion = parts.getVersion;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  /**
   * Assigns the next number and a place for the bytes of each file. When a published version with the same content has
   * lost its bytes, no number: they are sent again for that version. Throws `NOT_FOUND`.
   */
  async declare(
    model: string,
    declared: NewVersion,
    actor: Actor,
  ): Promise<{ version: ModelVersion; uploadUrl: string; uploads: FileUpload[] }> {
    const given = newId<string>("u", this.#random);
    const { version, uploadId } = await this.#catalog.declareVersion({ model, ...declared, uploadId: given }, actor);
    const uploads = declared.files.map(({ path, bytes }, index) => ({
      path,
      bytes,
      uploadUrl: urlOf(partId(uploadId, index)),
    }));
    return { version, uploadUrl: urlOf(uploadId), uploads };
  }

  /** How far each file of a version got, and where the rest goes. Throws `NOT_FOUND`, and `CONFLICT` when nothing is uploaded. */
  async unfinished(model: string, version: number): Promise<UnfinishedUpload> {
    const { state } = await this.#getVersion(model, version);
    const upload = await this.#catalog.uploadOf(model, version);
    if (upload?.state !== "uploading")
      throw new SkerryError("CONFLICT", `${model}:${version} is ${state}: there is no upload to go on with`);
    const uploads = [];
    for (const [index, { path, bytes }] of upload.files.entries()) {
      const part = partId(upload.id, index);
      uploads.push({ path, bytes, uploadUrl: urlOf(part), offset: await this.#artifacts.uploadOffset(part) });
    }
    return { uploadUrl: urlOf(upload.id), uploads };
  }

  /** Of one file. Throws `NOT_FOUND` when the upload has ended, either way. */
  async progress(part: string): Promise<UploadProgress> {
    const { file } = await this.#part(part);
    return { offset: await this.#artifacts.uploadOffset(part), bytes: file.bytes };
  }

  /**
   * Takes bytes of one file from `offset` on; those that arrived before a cut stay. Throws `NOT_FOUND`, `UPLOAD_OFFSET`, `TOO_LARGE`,
   * `STORAGE_FULL`, `UPLOAD_INCOMPLETE` (too slow), `CONFLICT` (completed already, or somebody else writes), and what the
   * stream throws.
   */
  async append(part: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<UploadProgress> {
    const { upload, file } = await this.#part(part);
    if (upload.state !== "uploading")
      throw new SkerryError("CONFLICT", `upload ${part} of ${nameOf(upload)} is complete: it takes no more bytes`);
    const before = this.#arrivals.get(part) ?? this.#clock.now();
    this.#arrivals.set(part, Number.POSITIVE_INFINITY);
    try {
      return {
        offset: await this.#artifacts.append(
          { id: part, offset, maxBytes: file.bytes },
          withMinimumRate(bytes, this.#clock),
        ),
        bytes: file.bytes,
      };
    } finally {
      if (before !== Number.POSITIVE_INFINITY) this.#arrivals.set(part, this.#clock.now());
    }
  }

  /**
   * Ends the upload of all files and begins the check, which goes on after the answer. Calling it again while the check
   * runs is harmless. Throws `NOT_FOUND`, `UPLOAD_INCOMPLETE`, and `RATE_LIMITED` or `DRAINING` when no check can be
   * begun now. The check counts as one of the actor's key.
   */
  async complete(part: string, actor: Actor): Promise<ModelVersion> {
    const { upload } = await this.#part(part);
    if (upload.state === "uploading") await this.#beginCheck(upload, actor.keyId ?? actor.name);
    return this.#getVersion(upload.model, upload.version);
  }

  async #beginCheck(upload: UploadRow, owner: string): Promise<void> {
    for (const [index, { path, bytes }] of upload.files.entries()) {
      const offset = await this.#artifacts.uploadOffset(partId(upload.id, index));
      if (offset === bytes) continue;
      const what = upload.files.length === 1 ? "" : `, file ${path},`;
      throw new SkerryError(
        "UPLOAD_INCOMPLETE",
        `upload ${partId(upload.id, index)} of ${nameOf(upload)}${what} holds ${offset} of the ${bytes} bytes that were declared`,
      );
    }
    if (this.#checks.isStopped)
      throw new SkerryError("DRAINING", "this control plane is about to stop and begins no check");
    if (this.#checks.isFullFor(owner))
      throw new SkerryError("RATE_LIMITED", "too many uploads wait for their check", { retryAfterMs: 5_000 });
    // False: somebody else completed it in the meantime, and begins the check.
    if (await this.#catalog.beginCheck(upload.id)) this.#checks.begin({ ...upload, state: "checking" }, owner);
    for (const index of upload.files.keys()) this.#arrivals.delete(partId(upload.id, index));
  }

  async #part(part: string): Promise<{ readonly upload: UploadRow; readonly file: BundleFile }> {
    const parsed = parsePartId(part);
    const upload = parsed && (await this.#catalog.upload(parsed.uploadId));
    const file = upload?.files[parsed?.index ?? 0];
    if (upload && file) return { upload, file };
    throw new SkerryError(
      "NOT_FOUND",
      `there is no upload ${part}: it was never declared, or its version is ready, rejected or deleted by now`,
    );
  }

  /** Whether bytes of it arrive. Forgets, on the way, those that ended long ago. */
  isArriving(uploadId: string): boolean {
    const since = this.#clock.now() - ARRIVING_MS;
    for (const [id, at] of this.#arrivals) if (at < since) this.#arrivals.delete(id);
    return this.#arrivals.keys().some((part) => parsePartId(part)?.uploadId === uploadId);
  }
}

const urlOf = (part: string): string => `/api/v1/uploads/${part}`;

const nameOf = ({ model, version }: UploadRow): string => `${model}:${version}`;
