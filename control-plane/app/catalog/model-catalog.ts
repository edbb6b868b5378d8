import type { FileUpload, Model, ModelVersion, UnfinishedUpload } from "../../../shared/api/v1/models.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { newId } from "../../../shared/base/ids.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { BundleFile, Runtime } from "../../../shared/protocol/bundle.ts";
import { parsePartId, partId } from "../../core/catalog/upload-part.ts";
import type { ArtifactStore, ModelCheck } from "../../ports/artifacts.ts";
import type { CatalogStore, UploadRow } from "../../ports/catalogue.ts";
import type { Actor } from "../../ports/audit.ts";
import { ArtifactScrub } from "./artifact-scrub.ts";
import { CatalogChecks } from "./catalog-checks.ts";
import { chooseFile } from "./choose-file.ts";
import { reclaimFiles } from "./catalog-reclaim.ts";
import { withMinimumRate } from "./upload-rate.ts";
import { UploadJanitor } from "./upload-janitor.ts";
import type { IfMatch } from "../deployments/if-match.ts";

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

export interface UploadProgress {
  /** Bytes that are durable. */
  readonly offset: number;
  /** Bytes that were declared. */
  readonly bytes: number;
}

export interface AliasMove {
  readonly model: string;
  readonly alias: string;
  readonly version: number;
  /** The version it must stand at now; null: it must not exist; `exists`: it must, wherever; undefined: any. */
  readonly ifMatch: IfMatch | null;
}

export interface ArtifactDownload {
  readonly version: ModelVersion;
  readonly file: BundleFile;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/**
 * Models, their versions and how bytes become a version: declared → uploaded in pieces → completed → checked aside →
 * `ready` or `rejected`. Reads and writes go to Postgres through the catalogue's store; nothing is cached.
 */
export class ModelCatalog {
  readonly #catalog: CatalogStore;
  readonly #artifacts: ArtifactStore;
  readonly #checks: CatalogChecks;
  readonly #scrub: ArtifactScrub;
  readonly #upkeep: UploadJanitor;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Upload → when a byte last arrived; Infinity while a connection writes. */
  readonly #arrivals = new Map<string, number>();

  constructor(parts: {
    catalog: CatalogStore;
    artifacts: ArtifactStore;
    check: ModelCheck;
    clock: Clock;
    random: Random;
    logger: Logger;
  }) {
    this.#catalog = parts.catalog;
    this.#artifacts = parts.artifacts;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#scrub = new ArtifactScrub(parts);
    this.#checks = new CatalogChecks({ ...parts, onStored: (sha256s) => this.#scrub.arrived(sha256s) });
    this.#upkeep = new UploadJanitor({
      ...parts,
      checks: this.#checks,
      isArriving: (uploadId) => this.#isArriving(uploadId),
    });
  }

  /** Takes up what a stop interrupted, and sweeps from then on. Returns at once. */
  start(): void {
    this.#upkeep.start();
    this.#scrub.start();
  }

  /** Resolves when no check is under way; interrupted ones are repeated after the next start. */
  async stop(): Promise<void> {
    await this.#upkeep.stop();
    await this.#scrub.stop();
    await this.#checks.stop();
  }

  /** Resolves when no sweep and no check is under way in this process. */
  async idle(): Promise<void> {
    await this.#upkeep.idle();
    await this.#checks.idle();
    await this.#scrub.idle();
  }

  /** An artifact could not be read, or arrived damaged: its files are looked at now. */
  suspect(artifact: string): void {
    this.#scrub.suspect(artifact);
  }

  // ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Throws `CONFLICT` when the name exists. */
  createModel(model: { name: string; labels: Record<string, string> }, actor: Actor): Promise<Model> {
    return this.#catalog.createModel(model, actor);
  }

  listModels(): Promise<readonly Model[]> {
    return this.#catalog.listModels();
  }

  /** Throws `NOT_FOUND`. */
  async getModel(name: string): Promise<Model> {
    const model = await this.#catalog.getModel(name);
    if (!model) throw noSuchModel(name);
    return model;
  }

  /** Replaces the labels. Throws `NOT_FOUND`. */
  patchModel(name: string, labels: Record<string, string>, actor: Actor): Promise<Model> {
    return this.#catalog.patchModel(name, labels, actor);
  }

  /** Deletes its versions and the files that nobody else needs. Throws `NOT_FOUND`, and `CONFLICT` naming the deployments that use it. */
  async deleteModel(name: string, actor: Actor): Promise<void> {
    const versions = await this.#catalog.listVersions(name);
    await this.#catalog.deleteModel(name, actor);
    // Parts of uploads that were under way are the sweep's.
    const digests = versions.flatMap(({ files }) => files.map(({ sha256 }) => sha256));
    await reclaimFiles({ catalog: this.#catalog, artifacts: this.#artifacts }, digests);
  }

  /** Deletes a version and the files that nothing else needs. Throws `NOT_FOUND`, and `CONFLICT` naming what needs it. */
  async deleteVersion(model: string, version: number, actor: Actor): Promise<void> {
    const { files } = await this.getVersion(model, version);
    await this.#catalog.deleteVersion({ model, version }, actor);
    const digests = files.map(({ sha256 }) => sha256);
    await reclaimFiles({ catalog: this.#catalog, artifacts: this.#artifacts }, digests);
  }

  /** Throws `NOT_FOUND`, and `CONFLICT` naming the deployments that ask for it. */
  deleteAlias(model: string, alias: string, actor: Actor): Promise<void> {
    return this.#catalog.deleteAlias({ model, alias }, actor);
  }

  // ── versions ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Newest first. Throws `NOT_FOUND` when there is no such model. */
  async listVersions(model: string): Promise<readonly ModelVersion[]> {
    await this.getModel(model);
    return (await this.#catalog.listVersions(model)).toSorted((a, b) => b.version - a.version);
  }

  /** Throws `NOT_FOUND`. */
  async getVersion(model: string, version: number): Promise<ModelVersion> {
    const found = await this.#catalog.getVersion(model, version);
    if (found) return found;
    await this.getModel(model);
    throw new SkerryError("NOT_FOUND", `model ${model} has no version ${version}`);
  }

  /** Creates or moves. Throws `NOT_FOUND`, `STALE_ETAG`, and `CONFLICT` when the version is not ready. */
  async moveAlias(
    { model, alias, version, ifMatch }: AliasMove,
    actor: Actor,
  ): Promise<{ model: string; alias: string; version: number }> {
    const { aliases } = await this.getModel(model);
    const from = Object.hasOwn(aliases, alias) ? aliases[alias] : undefined;
    if (ifMatch === "exists" && from === undefined) {
      throw new SkerryError(
        "STALE_ETAG",
        `alias ${alias} of ${model} does not exist, and \`If-Match: *\` asks for one that does`,
      );
    }
    const before = from === undefined ? "" : `; before, it named ${model}:${from}`;
    const message = `${actor.name} let ${alias} name ${model}:${version}${before}`;
    const event = { type: "Normal", reason: "AliasMoved", object: `model/${model}`, message } as const;
    await this.#catalog.moveAlias(
      { model, alias, version, ifMatch: ifMatch === "exists" ? from : ifMatch },
      { actor, event },
    );
    return { model, alias, version };
  }

  /**
   * A file of a version that was checked, by default its only one. Throws `NOT_FOUND`, and `CONFLICT` when the version is
   * not checked or `path` is missing. The bytes must be read or `return` be called.
   */
  async artifact(model: string, version: number, path?: string): Promise<ArtifactDownload> {
    const found = await this.getVersion(model, version);
    if (found.artifact === null)
      throw new SkerryError(
        "CONFLICT",
        `${model}:${version} is ${found.state}: only the file of a checked version can be downloaded`,
      );
    const file = chooseFile(found, path);
    // Opened once before the answer begins: after its first byte, a missing file could not be told any more.
    await (await this.#artifacts.open(file.sha256)).close();
    return { version: found, file, bytes: this.#artifacts.stream(file.sha256) };
  }

  // ── uploads ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Assigns the next number and a place for the bytes of each file. Throws `NOT_FOUND`. */
  async declareVersion(
    model: string,
    declared: NewVersion,
    actor: Actor,
  ): Promise<{ version: ModelVersion; uploadUrl: string; uploads: FileUpload[] }> {
    const uploadId = newId<string>("u", this.#random);
    const version = await this.#catalog.declareVersion({ model, ...declared, uploadId }, actor);
    const uploads = declared.files.map(({ path, bytes }, index) => ({
      path,
      bytes,
      uploadUrl: urlOf(partId(uploadId, index)),
    }));
    return { version, uploadUrl: urlOf(uploadId), uploads };
  }

  /** How far each file of a version got, and where the rest goes. Throws `NOT_FOUND`, and `CONFLICT` when the version is not `uploading`. */
  async unfinishedUpload(model: string, version: number): Promise<UnfinishedUpload> {
    const { state } = await this.getVersion(model, version);
    const upload = state === "uploading" ? await this.#catalog.uploadOf(model, version) : null;
    if (!upload) throw new SkerryError("CONFLICT", `${model}:${version} is ${state}: there is no upload to go on with`);
    const uploads = [];
    for (const [index, { path, bytes }] of upload.files.entries()) {
      const part = partId(upload.id, index);
      uploads.push({ path, bytes, uploadUrl: urlOf(part), offset: await this.#artifacts.uploadOffset(part) });
    }
    return { uploadUrl: urlOf(upload.id), uploads };
  }

  /** Of one file. Throws `NOT_FOUND` when the upload has ended, either way. */
  async uploadProgress(part: string): Promise<UploadProgress> {
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
   * begun now.
   */
  async complete(part: string): Promise<ModelVersion> {
    const { upload } = await this.#part(part);
    if (upload.state === "uploading") await this.#beginCheck(upload);
    return this.getVersion(upload.model, upload.version);
  }

  async #beginCheck(upload: UploadRow): Promise<void> {
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
    if (this.#checks.isFull)
      throw new SkerryError("RATE_LIMITED", "too many uploads wait for their check", { retryAfterMs: 5_000 });
    // False: somebody else completed it in the meantime, and begins the check.
    if (await this.#catalog.beginCheck(upload.id)) this.#checks.begin({ ...upload, state: "checking" });
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

  /** Forgets, on the way, those that ended long ago. */
  #isArriving(uploadId: string): boolean {
    const since = this.#clock.now() - ARRIVING_MS;
    for (const [id, at] of this.#arrivals) if (at < since) this.#arrivals.delete(id);
    return this.#arrivals.keys().some((part) => parsePartId(part)?.uploadId === uploadId);
  }
}

const urlOf = (part: string): string => `/api/v1/uploads/${part}`;

const nameOf = ({ model, version }: UploadRow): string => `${model}:${version}`;
const noSuchModel = (name: string): SkerryError => new SkerryError("NOT_FOUND", `there is no model ${name}`);
