import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { Model, ModelVersion } from "../../../shared/api/v1/models.ts";
import type { BundleFile, Runtime } from "../../../shared/protocol/model-files/bundle.ts";
import type { Manifest, TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import type { VersionRelease } from "../../../shared/protocol/model-files/release.ts";
import type { VariantAccuracy } from "../../../shared/protocol/model-files/variants.ts";
import type { Actor } from "../access/audit.ts";
import type { NewEvent } from "../events.ts";

export interface UploadRow {
  readonly id: string;
  readonly model: string;
  readonly version: number;
  /** Of all files. */
  readonly bytes: number;
  readonly runtime: Runtime;
  /** Path of the file that the runtime loads. */
  readonly main: string;
  /** As they were declared, in the order of the upload's parts. */
  readonly files: readonly BundleFile[];
  /** Of its version; `uploading` when it repairs one that stays ready meanwhile. */
  readonly state: ModelVersion["state"];
  /** The artifact of the version that it repairs; undefined: it makes a new version. */
  readonly repairs: string | undefined;
}

/** An upload that nobody may be going on with. */
export interface UnfinishedUploadRow {
  readonly id: string;
  /** Of its version, which stays ready during a repair. */
  readonly state: ModelVersion["state"];
  /** Past its life. */
  readonly expired: boolean;
  readonly isRepair: boolean;
}

/** A further graph of a version, with the artifact that a node gets for it. */
export interface CheckedVariant {
  readonly name: string;
  readonly manifest: Manifest;
  readonly artifact: string;
  readonly opset: number;
  readonly irVersion: number;
  /** Against the main graph, on the samples of the version. */
  readonly accuracy: VariantAccuracy;
}

/** What the check of an uploaded file found. */
export interface CheckedModel {
  readonly manifest: Manifest;
  readonly artifact: string;
  readonly opset: number;
  readonly irVersion: number;
  readonly producer: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** What its publisher should know, in sentences. */
  readonly notes: readonly string[];
  /** The graph as the check changed it; undefined when it is served as it came. */
  readonly edited?: BundleFile | undefined;
  /** In the order of its document; undefined: none. `manifest` is that of the main graph then. */
  readonly variants?: readonly CheckedVariant[] | undefined;
}

/** A version that may be placed, with the files that have to be in the artifact store for that. */
export interface StoredVersion {
  readonly model: string;
  readonly version: number;
  /** Of each of its graphs. */
  readonly artifacts: readonly string[];
  readonly files: readonly BundleFile[];
  readonly damage: string | null;
}

export interface DeclaredVersion {
  readonly version: ModelVersion;
  /** Where its files go: that of an unfinished repair with the same files, else the one that was given. */
  readonly uploadId: string;
}

export interface CatalogStore {
  /** Every version that is ready. */
  storedVersions(): Promise<readonly StoredVersion[]>;
  /**
   * Records why the bytes of a version cannot be sent, or, with null, that they are whole again: then its placements that
   * failed for damaged bytes begin anew. False when that is known already.
   */
  setDamage(of: { model: string; version: number }, damage: string | null, event: NewEvent): Promise<boolean>;
  /** Throws `CONFLICT` when the name exists. */
  createModel(model: { name: string; labels: Record<string, string> }, actor: Actor): Promise<Model>;
  listModels(): Promise<readonly Model[]>;
  getModel(name: string): Promise<Model | null>;
  /**
   * What a custom resource says of a model: makes it, or takes it over, with these labels. What is so already changes
   * nothing. Throws `CONFLICT` when a resource in another namespace declares it.
   */
  declareModel(model: { name: string; labels: Record<string, string> }, actor: Actor): Promise<Model>;
  /** The custom resource that declares it is gone: from now on the API may change it. No effect on what another declares. */
  releaseModel(name: string, actor: Actor): Promise<void>;
  /** Throws `NOT_FOUND`. */
  patchModel(name: string, labels: Record<string, string>, actor: Actor): Promise<Model>;
  /** Throws `NOT_FOUND`, and `CONFLICT` naming the deployments that still use it. Deletes versions, aliases, unused artifacts. */
  deleteModel(name: string, actor: Actor): Promise<void>;
  /**
   * Assigns the next number. When the bytes of a published version with the same content are damaged, none: then they are
   * sent again for that version, which stays ready. Throws `NOT_FOUND`.
   */
  declareVersion(
    version: {
      model: string;
      runtime: Runtime;
      main: string;
      files: readonly BundleFile[];
      labels: Record<string, string>;
      metrics: Record<string, number>;
      uploadId: string;
    },
    actor: Actor,
  ): Promise<DeclaredVersion>;
  /** Those that were not deleted. */
  listVersions(model: string): Promise<readonly ModelVersion[]>;
  /** Null when there is none, or it was deleted. */
  getVersion(model: string, version: number): Promise<ModelVersion | null>;
  upload(id: string): Promise<UploadRow | null>;
  /** The upload of a version; null when it has ended or there is no such version. */
  uploadOf(model: string, version: number): Promise<UploadRow | null>;
  /** uploading → checking. False unless it was uploading. True for a repair, whose version stays ready. */
  beginCheck(uploadId: string): Promise<boolean>;
  /** checking → ready, with artifact and chunks; forgets the upload. Of a repair only that. */
  accept(uploadId: string, checked: CheckedModel, event: NewEvent): Promise<void>;
  /** uploading or checking → rejected, with the reason; forgets the upload. Of a repair only that. */
  reject(uploadId: string, reason: string, event: NewEvent): Promise<void>;
  /** Uploads whose check was interrupted by a restart, uploads past their life, and all repairs. */
  unfinishedUploads(): Promise<readonly UnfinishedUploadRow[]>;
  /** Creates or moves; `ifMatch` is the version it must stand at now (null: must not exist). Throws `NOT_FOUND`, `STALE_ETAG`, `CONFLICT` (version not ready). */
  moveAlias(
    move: { model: string; alias: string; version: number; ifMatch: number | null | undefined },
    context: { actor: Actor; event: NewEvent },
  ): Promise<void>;
  /** Keeps what a version's signer says of it, in place of what was said before. Throws `CONFLICT` when it has not this artifact, or is not ready. */
  signVersion(
    signed: { model: string; version: number; artifact: string; release: VersionRelease },
    context: { actor: Actor; event: NewEvent },
  ): Promise<void>;
  /** Throws `NOT_FOUND`, and `CONFLICT` naming what needs it. Its number is never given again. */
  deleteVersion(version: { model: string; version: number }, actor: Actor): Promise<void>;
  /** Throws `NOT_FOUND`, and `CONFLICT` naming the deployments that ask for it. */
  deleteAlias(alias: { model: string; alias: string }, actor: Actor): Promise<void>;
  /** The manifest's exact bytes; null when unknown. */
  manifest(artifact: string): Promise<string | null>;
}

export interface DeploymentStore {
  /**
   * Creates or replaces. An equal spec changes nothing and keeps the generation. `ifMatch`: the row version it must
   * have (undefined: any; null: there must be none). A spec that equals what the API declared makes it the custom resource's. Throws `STALE_ETAG`,
   * `NOT_FOUND` when the model does not exist, and `CONFLICT` when another declares it.
   */
  put(
    spec: DeploymentSpec,
    context: { actor: Actor; ifMatch: number | null | undefined },
  ): Promise<{ created: boolean; changed: boolean; generation: number; rowVersion: number }>;
  /** Its placements become `gone`. Throws `NOT_FOUND`, `STALE_ETAG`, and `CONFLICT` when another declares it. */
  delete(name: string, context: { actor: Actor; ifMatch: number | undefined }): Promise<void>;
  /** The custom resource that declares it is gone: from now on the API may change it. No effect on what another declares. */
  release(name: string, actor: Actor): Promise<void>;
  /** Starts its failed placements anew: generation + 1, state `offered`. Returns how many. Throws `NOT_FOUND`. */
  retry(name: string, actor: Actor): Promise<number>;
  /** The row's version, for ETags. Null when unknown. */
  rowVersion(name: string): Promise<number | null>;
}
