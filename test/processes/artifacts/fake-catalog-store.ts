import type { Model, ModelVersion } from "../../../shared/api/v1/models.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type {
  CatalogStore,
  CheckedModel,
  DeclaredVersion,
  StoredVersion,
  UploadRow,
} from "../../../control-plane/ports/catalog/catalog.ts";
import { type BundleFile } from "../../../shared/protocol/model-files/bundle.ts";
import { bundleDigest } from "../../../shared/protocol/model-files/bundle-digest.ts";
import type { NewEvent } from "../../../control-plane/ports/events.ts";

const CREATED_AT = "2026-01-05T10:00:00.000Z";

/** The catalog without Postgres, as far as uploads need it. What would be a constraint there is a throw here. */
export class FakeCatalogStore implements CatalogStore {
  readonly models = new Map<string, Model>();
  readonly versions = new Map<string, ModelVersion>();
  readonly uploads = new Map<
    string,
    { model: string; version: number; expired: boolean; repair?: readonly BundleFile[] }
  >();
  readonly events: NewEvent[] = [];
  /** Set to make every write of a verdict fail. */
  outage: SkerryError | undefined;

  /** The database's clock passes the upload's end of life. */
  expire(uploadId: string): void {
    const row = this.uploads.get(uploadId);
    if (row) row.expired = true;
  }

  async createModel({ name, labels }: { name: string; labels: Record<string, string> }): Promise<Model> {
    if (this.models.has(name)) throw new SkerryError("CONFLICT", `model ${name} exists`);
    return this.#put({ name, labels, aliases: {}, latestVersion: null, createdAt: CREATED_AT });
  }

  async listModels(): Promise<readonly Model[]> {
    return [...this.models.values()];
  }

  async getModel(name: string): Promise<Model | null> {
    return this.models.get(name) ?? null;
  }

  async declareModel({ name, labels }: { name: string; labels: Record<string, string> }): Promise<Model> {
    const known = this.models.get(name) ?? { name, aliases: {}, latestVersion: null, createdAt: CREATED_AT };
    return this.#put({ ...known, labels, managedBy: "kubernetes" });
  }

  async releaseModel(name: string): Promise<void> {
    const { managedBy: _, ...model } = this.#model(name);
    this.#put(model);
  }

  async patchModel(name: string, labels: Record<string, string>): Promise<Model> {
    return this.#put({ ...this.#model(name), labels });
  }

  async deleteModel(name: string): Promise<void> {
    this.#model(name);
    this.models.delete(name);
    for (const [key, { model }] of this.versions) if (model === name) this.versions.delete(key);
    for (const [id, { model }] of this.uploads) if (model === name) this.uploads.delete(id);
  }

  async declareVersion(declared: Parameters<CatalogStore["declareVersion"]>[0]): Promise<DeclaredVersion> {
    const { model, runtime, main, files, labels, metrics, uploadId } = declared;
    const digest = bundleDigest(files, main);
    const damaged = [...this.versions.values()].find(
      (each) => each.model === model && each.digest === digest && each.damage !== null,
    );
    if (damaged) {
      this.uploads.set(uploadId, { model, version: damaged.version, expired: false, repair: files });
      return { version: damaged, uploadId };
    }
    const version = (this.#model(model).latestVersion ?? 0) + 1;
    this.#put({ ...this.#model(model), latestVersion: version });
    this.uploads.set(uploadId, { model, version, expired: false });
    const unknown = {
      reason: null,
      damage: null,
      artifact: null,
      opset: null,
      irVersion: null,
      producer: null,
      inputs: [],
      outputs: [],
      rows: null,
      notes: [],
      text: null,
      encoder: null,
      engine: null,
      pipeline: null,
      variants: [],
    };
    const row: ModelVersion = {
      ...unknown,
      model,
      version,
      state: "uploading",
      digest: bundleDigest(files, main),
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      format: "onnx",
      runtime,
      main,
      files: [...files],
      labels,
      metrics,
      createdAt: CREATED_AT,
    };
    this.versions.set(`${model}:${version}`, row);
    return { version: row, uploadId };
  }

  async listVersions(model: string): Promise<readonly ModelVersion[]> {
    return [...this.versions.values()].filter((version) => version.model === model);
  }

  async getVersion(model: string, version: number): Promise<ModelVersion | null> {
    return this.versions.get(`${model}:${version}`) ?? null;
  }

  async storedVersions(): Promise<readonly StoredVersion[]> {
    return [...this.versions.values()].flatMap(({ model, version, state, artifact, files, damage }) =>
      state === "ready" && artifact !== null ? [{ model, version, artifacts: [artifact], files, damage }] : [],
    );
  }

  async setDamage(
    { model, version }: { model: string; version: number },
    damage: string | null,
    event: NewEvent,
  ): Promise<boolean> {
    const row = this.versions.get(`${model}:${version}`);
    if (!row || row.damage === damage) return false;
    this.versions.set(`${model}:${version}`, { ...row, damage });
    this.events.push(event);
    return true;
  }

  async upload(id: string): Promise<UploadRow | null> {
    const row = this.uploads.get(id);
    if (!row) return null;
    const { bytes, runtime, main, files, state, artifact } = this.#versionOf(id);
    const { model, version, repair } = row;
    const common = { id, model, version, bytes, runtime, main };
    return repair
      ? { ...common, files: repair, state: "uploading", repairs: artifact ?? undefined }
      : { ...common, files, state, repairs: undefined };
  }

  async uploadOf(model: string, version: number): Promise<UploadRow | null> {
    const found = [...this.uploads].find(([, row]) => row.model === model && row.version === version);
    return found ? this.upload(found[0]) : null;
  }

  async beginCheck(uploadId: string): Promise<boolean> {
    if (this.uploads.get(uploadId)?.repair) return true;
    if (this.#versionOf(uploadId).state !== "uploading") return false;
    this.#change(uploadId, { state: "checking" });
    return true;
  }

  async accept(uploadId: string, checked: CheckedModel, event: NewEvent): Promise<void> {
    const { artifact, opset, irVersion, producer, inputs, outputs } = checked;
    this.#end(
      uploadId,
      {
        state: "ready",
        artifact,
        opset,
        irVersion,
        producer,
        inputs: [...inputs],
        outputs: [...outputs],
        rows: checked.manifest.rows ?? null,
        notes: [...checked.notes],
        ...(checked.edited && {
          files: checked.manifest.files.map(({ name, size, sha256 }) => ({ path: name, bytes: size, sha256 })),
        }),
      },
      event,
    );
  }

  async reject(uploadId: string, reason: string, event: NewEvent): Promise<void> {
    this.#end(uploadId, { state: "rejected", reason }, event);
  }

  async unfinishedUploads(): ReturnType<CatalogStore["unfinishedUploads"]> {
    const all = [...this.uploads].map(([id, { expired, repair }]) => ({
      id,
      state: this.#versionOf(id).state,
      expired,
      isRepair: repair !== undefined,
    }));
    return all.filter(({ state, expired, isRepair }) => state === "checking" || expired || isRepair);
  }

  async moveAlias(
    { model, alias, version, ifMatch }: Parameters<CatalogStore["moveAlias"]>[0],
    { event }: { event: NewEvent },
  ): Promise<void> {
    const row = this.#model(model);
    const now = row.aliases[alias] ?? null;
    if (ifMatch !== undefined && ifMatch !== now) throw new SkerryError("STALE_ETAG", `alias ${alias} names ${now}`);
    if (this.versions.get(`${model}:${version}`)?.state !== "ready")
      throw new SkerryError("CONFLICT", `${model}:${version} is not ready`);
    this.#put({ ...row, aliases: { ...row.aliases, [alias]: version } });
    this.events.push(event);
  }

  async deleteVersion({ model, version }: { model: string; version: number }): Promise<void> {
    if (!this.versions.delete(`${model}:${version}`)) throw new SkerryError("NOT_FOUND", `no version ${version}`);
  }

  async deleteAlias({ model, alias }: { model: string; alias: string }): Promise<void> {
    const row = this.#model(model);
    const { [alias]: gone, ...aliases } = row.aliases;
    if (gone === undefined) throw new SkerryError("NOT_FOUND", `no alias ${alias}`);
    this.#put({ ...row, aliases });
  }

  async manifest(): Promise<string | null> {
    return null;
  }

  async signVersion({ model, version, release }: Parameters<CatalogStore["signVersion"]>[0]): Promise<void> {
    const key = `${model}:${version}`;
    const found = this.versions.get(key);
    if (found) this.versions.set(key, { ...found, release });
  }

  #put(model: Model): Model {
    this.models.set(model.name, model);
    return model;
  }

  #model(name: string): Model {
    const model = this.models.get(name);
    if (!model) throw new SkerryError("NOT_FOUND", `there is no model ${name}`);
    return model;
  }

  #versionOf(uploadId: string): ModelVersion {
    const row = this.uploads.get(uploadId);
    const version = row && this.versions.get(`${row.model}:${row.version}`);
    if (!version) throw new SkerryError("NOT_FOUND", `there is no upload ${uploadId}`);
    return version;
  }

  #change(uploadId: string, change: Partial<ModelVersion>): void {
    const version = { ...this.#versionOf(uploadId), ...change };
    this.versions.set(`${version.model}:${version.version}`, version);
  }

  #end(uploadId: string, change: Partial<ModelVersion>, event: NewEvent): void {
    if (this.outage) throw this.outage;
    if (!this.uploads.get(uploadId)?.repair) this.#change(uploadId, change);
    this.uploads.delete(uploadId);
    this.events.push(event);
  }
}
