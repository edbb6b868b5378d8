import { deleteAlias, deleteVersion } from "./removals.ts";
import { versionState, type Model, type ModelVersion } from "../../../../shared/api/v1/models.ts";
import type {
  CatalogStore,
  CheckedModel,
  DeclaredVersion,
  StoredVersion,
  UnfinishedUploadRow,
  UploadRow,
} from "../../../ports/catalog/catalog.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { NewEvent } from "../../../ports/events.ts";
import { moveAlias, type AliasMove } from "./alias-writes.ts";
import { toModel, toModelVersion, toUploadRow, WITH_MODEL } from "./catalog-rows.ts";
import type { Database } from "../database.ts";
import { setDamage } from "./damage-writes.ts";
import { signVersion } from "./release-writes.ts";
import { createModel, declareModel, deleteModel, patchModel, releaseModel } from "./model-writes.ts";
import { acceptVersion, beginCheck, declareVersion, rejectVersion, type NewVersion } from "./version-writes.ts";

/** Models, versions, aliases and uploads. Reads are here; each kind of write has a file of its own. */
export class PostgresCatalogStore implements CatalogStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  // ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────

  createModel(model: { name: string; labels: Record<string, string> }, actor: Actor): Promise<Model> {
    return this.#database.transaction((tx) => createModel(tx, model, actor));
  }

  async listModels(): Promise<readonly Model[]> {
    const rows = await this.#database.run((client) =>
      client.model.findMany({ include: WITH_MODEL, orderBy: { name: "asc" } }),
    );
    return rows.map(toModel);
  }

  async getModel(name: string): Promise<Model | null> {
    const row = await this.#database.run((client) => client.model.findUnique({ where: { name }, include: WITH_MODEL }));
    return row && toModel(row);
  }

  declareModel(model: { name: string; labels: Record<string, string> }, actor: Actor): Promise<Model> {
    return this.#database.transaction((tx) => declareModel(tx, model, actor));
  }

  releaseModel(name: string, actor: Actor): Promise<void> {
    return this.#database.transaction((tx) => releaseModel(tx, name, actor));
  }

  patchModel(name: string, labels: Record<string, string>, actor: Actor): Promise<Model> {
    return this.#database.transaction((tx) => patchModel(tx, { name, labels }, actor));
  }

  deleteModel(name: string, actor: Actor): Promise<void> {
    return this.#database.bulkTransaction((tx) => deleteModel(tx, name, actor));
  }

  moveAlias(move: AliasMove, context: { actor: Actor; event: NewEvent }): Promise<void> {
    return this.#database.transaction((tx) => moveAlias(tx, move, context));
  }

  // ── versions ──────────────────────────────────────────────────────────────────────────────────────────────────────

  declareVersion(version: NewVersion, actor: Actor): Promise<DeclaredVersion> {
    return this.#database.transaction((tx) => declareVersion(tx, version, actor));
  }

  /** Oldest first. */
  async listVersions(model: string): Promise<readonly ModelVersion[]> {
    const where = { modelName: model, state: { not: "archived" } };
    const rows = await this.#database.run((client) =>
      client.modelVersion.findMany({ where, orderBy: { version: "asc" } }),
    );
    return rows.map(toModelVersion);
  }

  async getVersion(model: string, version: number): Promise<ModelVersion | null> {
    const where = { modelName_version: { modelName: model, version } };
    const row = await this.#database.run((client) => client.modelVersion.findUnique({ where }));
    return row && row.state !== "archived" ? toModelVersion(row) : null;
  }

  signVersion(
    signed: Parameters<CatalogStore["signVersion"]>[0],
    context: { actor: Actor; event: NewEvent },
  ): Promise<void> {
    return this.#database.transaction((tx) => signVersion(tx, signed, context));
  }

  deleteVersion(version: { model: string; version: number }, actor: Actor): Promise<void> {
    return this.#database.bulkTransaction((tx) => deleteVersion(tx, version, actor));
  }

  deleteAlias(alias: { model: string; alias: string }, actor: Actor): Promise<void> {
    return this.#database.transaction((tx) => deleteAlias(tx, alias, actor));
  }

  beginCheck(uploadId: string): Promise<boolean> {
    return this.#database.transaction((tx) => beginCheck(tx, uploadId));
  }

  accept(uploadId: string, checked: CheckedModel, event: NewEvent): Promise<void> {
    return this.#database.bulkTransaction((tx) => acceptVersion(tx, { uploadId, checked }, event));
  }

  reject(uploadId: string, reason: string, event: NewEvent): Promise<void> {
    return this.#database.transaction((tx) => rejectVersion(tx, { uploadId, reason }, event));
  }

  async storedVersions(): Promise<readonly StoredVersion[]> {
    const rows = await this.#database.run((client) => client.modelVersion.findMany({ where: { state: "ready" } }));
    return rows
      .map(toModelVersion)
      .flatMap(({ model, version, artifact, variants, files, damage }) =>
        artifact === null
          ? []
          : [{ model, version, artifacts: [artifact, ...variants.map((each) => each.artifact)], files, damage }],
      );
  }

  setDamage(of: { model: string; version: number }, damage: string | null, event: NewEvent): Promise<boolean> {
    return this.#database.transaction((tx) => setDamage(tx, of, { damage, event }));
  }

  // ── uploads and artifacts ─────────────────────────────────────────────────────────────────────────────────────────

  async upload(id: string): Promise<UploadRow | null> {
    const row = await this.#database.run((client) =>
      client.upload.findUnique({ where: { id }, include: { of: true } }),
    );
    return row && toUploadRow(row);
  }

  async uploadOf(modelName: string, version: number): Promise<UploadRow | null> {
    const where = { modelName_version: { modelName, version } };
    const row = await this.#database.run((client) => client.upload.findUnique({ where, include: { of: true } }));
    return row && toUploadRow(row);
  }

  async unfinishedUploads(): Promise<readonly UnfinishedUploadRow[]> {
    const rows = await this.#database.run(
      (client) => client.$queryRaw<{ id: string; state: string; expired: boolean; isRepair: boolean }[]>`
        SELECT u.id, v.state, u.expires_at <= now() AS expired, u.repair IS NOT NULL AS "isRepair"
        FROM uploads u JOIN model_versions v ON v.model_name = u.model_name AND v.version = u.version
        WHERE v.state = 'checking' OR u.expires_at <= now() OR u.repair IS NOT NULL
        ORDER BY u.expires_at`,
    );
    return rows.map(({ state, ...row }) => ({ ...row, state: versionState.parse(state) }));
  }

  async manifest(artifact: string): Promise<string | null> {
    const row = await this.#database.run((client) =>
      client.artifact.findUnique({ where: { digest: artifact }, select: { manifest: true } }),
    );
    return row?.manifest ?? null;
  }
}
