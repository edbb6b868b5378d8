import type { Model, ModelVersion } from "../../../shared/api/v1/models.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { BundleFile } from "../../../shared/protocol/model-files/bundle.ts";
import type { ArtifactStore, ModelCheck } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore } from "../../ports/catalog/catalog.ts";
import type { Keys } from "../../ports/access/keys.ts";
import type { Actor } from "../../ports/access/audit.ts";
import { ArtifactScrub } from "./artifact-scrub.ts";
import { CatalogChecks } from "./catalog-checks.ts";
import { chooseFile } from "./choose-file.ts";
import { reclaimFiles } from "./catalog-reclaim.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";
import { Releases } from "./releases.ts";
import { UploadJanitor } from "./upload-janitor.ts";
import { Uploads } from "./uploads.ts";
import type { IfMatchOrNew } from "../deployments/if-match.ts";

export interface AliasMove {
  readonly model: string;
  readonly alias: string;
  readonly version: number;
  /** The version it must stand at now; null: it must not exist; `exists`: it must, wherever; undefined: any. */
  readonly ifMatch: IfMatchOrNew;
}

export interface ArtifactDownload {
  readonly version: ModelVersion;
  readonly file: BundleFile;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/**
 * Models, their versions and how bytes become a version: declared → uploaded in pieces → completed → checked aside →
 * `ready` or `rejected`. Reads and writes go to Postgres through the catalog's store; nothing is cached.
 */
export class ModelCatalog {
  readonly uploads: Uploads;
  readonly releases: Releases;
  readonly #catalog: CatalogStore;
  readonly #artifacts: ArtifactStore;
  readonly #checks: CatalogChecks;
  readonly #scrub: ArtifactScrub;
  readonly #janitor: UploadJanitor;

  constructor(parts: {
    catalog: CatalogStore;
    artifacts: ArtifactStore;
    check: ModelCheck;
    keys: Pick<Keys, "verify">;
    fleet: Pick<FleetReader, "snapshot">;
    clock: Clock;
    random: Random;
    logger: Logger;
  }) {
    this.#catalog = parts.catalog;
    this.releases = new Releases(parts);
    this.#artifacts = parts.artifacts;
    this.#scrub = new ArtifactScrub(parts);
    this.#checks = new CatalogChecks({ ...parts, onStored: (sha256s) => this.#scrub.arrived(sha256s) });
    this.uploads = new Uploads({
      ...parts,
      checks: this.#checks,
      getVersion: (model, version) => this.getVersion(model, version),
    });
    this.#janitor = new UploadJanitor({
      ...parts,
      checks: this.#checks,
      isArriving: (uploadId) => this.uploads.isArriving(uploadId),
    });
  }

  /** Takes up what a stop interrupted, and sweeps from then on. Returns at once. */
  start(): void {
    this.#janitor.start();
    this.#scrub.start();
  }

  /** Resolves when no check is under way; interrupted ones are repeated after the next start. */
  async stop(): Promise<void> {
    await Promise.all([this.#janitor.stop(), this.#scrub.stop(), this.#checks.stop()]);
  }

  /** Resolves when no sweep and no check is under way in this process. */
  async idle(): Promise<void> {
    await this.#janitor.idle();
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

  /** What a custom resource says of a model. Throws `CONFLICT` when one of another namespace declares it. */
  declareModel(model: { name: string; labels: Record<string, string> }, actor: Actor): Promise<Model> {
    return this.#catalog.declareModel(model, actor);
  }

  /** The custom resource is gone; the model stays, and the API may change it. */
  releaseModel(name: string, actor: Actor): Promise<void> {
    return this.#catalog.releaseModel(name, actor);
  }

  /** Replaces the labels. Throws `NOT_FOUND`, and `CONFLICT` when a custom resource declares them. */
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
}

const noSuchModel = (name: string): SkerryError => new SkerryError("NOT_FOUND", `there is no model ${name}`);
