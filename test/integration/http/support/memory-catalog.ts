import { toInstant } from "../../../../shared/api/v1/common.ts";
import type { FileUpload, Model, ModelVersion, UnfinishedUpload } from "../../../../shared/api/v1/models.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { bundleDigest } from "../../../../shared/protocol/model-files/bundle-digest.ts";
import type { Catalog } from "../../../../control-plane/adapters/http/server/route-catalog.ts";
import { withMinimumRate } from "../../../../control-plane/app/catalog/upload-rate.ts";

/** Models, versions and uploads in memory. */
export class MemoryCatalog implements Catalog {
  readonly models = new Map<string, Model>();
  readonly versions = new Map<string, ModelVersion[]>();
  readonly parts = new Map<string, { model: string; version: number; bytes: number; received: Uint8Array }>();
  readonly uploads: Catalog["uploads"] = this;
  readonly releases: Catalog["releases"] = {
    manifest: async (model, version) => JSON.stringify({ model, version }),
    sign: async (model, version, release) => ({ ...(await this.getVersion(model, version)), release }),
  };
  /** Settles once for every piece of an upload that arrived. */
  onPiece: (bytes: Uint8Array) => void = () => undefined;
  /** A download was given up or never begun. */
  onClose: () => void = () => undefined;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(name: string, ...versions: Partial<ModelVersion>[]): void {
    this.models.set(name, {
      name,
      labels: {},
      aliases: {},
      latestVersion: versions.length || null,
      createdAt: toInstant(0),
    });
    this.versions.set(
      name,
      versions.map((version, at) => aModelVersion(name, at + 1, version)),
    );
  }

  async createModel({ name, labels }: { name: string; labels: Record<string, string> }): Promise<Model> {
    if (this.models.has(name)) throw new SkerryError("CONFLICT", `model ${name} exists already`);
    this.add(name);
    return this.#put({ ...(await this.getModel(name)), labels });
  }

  async listModels(): Promise<readonly Model[]> {
    return [...this.models.values()];
  }

  async getModel(name: string): Promise<Model> {
    const found = this.models.get(name);
    if (!found) throw new SkerryError("NOT_FOUND", `there is no model ${name}`);
    return found;
  }

  async patchModel(name: string, labels: Record<string, string>): Promise<Model> {
    return this.#put({ ...(await this.getModel(name)), labels });
  }

  async deleteModel(name: string): Promise<void> {
    await this.getModel(name);
    this.models.delete(name);
    this.versions.delete(name);
  }

  async deleteVersion(model: string, version: number): Promise<void> {
    await this.getVersion(model, version);
    this.versions.set(
      model,
      (this.versions.get(model) ?? []).filter((each) => each.version !== version),
    );
  }

  async deleteAlias(model: string, alias: string): Promise<void> {
    const found = await this.getModel(model);
    const { [alias]: gone, ...aliases } = found.aliases;
    if (gone === undefined) throw new SkerryError("NOT_FOUND", `the model ${model} has no alias ${alias}`);
    this.#put({ ...found, aliases });
  }

  async declare(
    model: string,
    declared: Parameters<Catalog["uploads"]["declare"]>[1],
  ): Promise<{ version: ModelVersion; uploadUrl: string; uploads: FileUpload[] }> {
    const versions = await this.#versionsOf(model);
    const number = versions.length + 1;
    const { main, files } = declared;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const digest = bundleDigest(files, main);
    const version = aModelVersion(model, number, { state: "uploading", main, files: [...files], bytes, digest });
    versions.push(version);
    const uploadId = `up-${model}-${number}`;
    const uploads = files.map((file, index) => {
      const id = index === 0 ? uploadId : `${uploadId}_${index}`;
      this.parts.set(id, { model, version: number, bytes: file.bytes, received: new Uint8Array() });
      return { path: file.path, bytes: file.bytes, uploadUrl: `/api/v1/uploads/${id}` };
    });
    return { version, uploadUrl: `/api/v1/uploads/${uploadId}`, uploads };
  }

  listVersions(model: string): Promise<readonly ModelVersion[]> {
    return this.#versionsOf(model);
  }

  async getVersion(model: string, version: number): Promise<ModelVersion> {
    const found = (await this.#versionsOf(model)).find((each) => each.version === version);
    if (!found) throw new SkerryError("NOT_FOUND", `there is no version ${model}:${version}`);
    return found;
  }

  async unfinished(model: string, version: number): Promise<UnfinishedUpload> {
    const { state } = await this.getVersion(model, version);
    const parts = [...this.parts].filter(([, upload]) => upload.model === model && upload.version === version);
    const files = (await this.getVersion(model, version)).files;
    if (state !== "uploading") throw new SkerryError("CONFLICT", `${model}:${version} is ${state}`);
    const uploads = parts.map(([id, { bytes, received }], index) => {
      const path = files[index]?.path ?? "";
      return { path, bytes, uploadUrl: `/api/v1/uploads/${id}`, offset: received.length };
    });
    return { uploadUrl: uploads[0]?.uploadUrl ?? "", uploads };
  }

  async progress(id: string): Promise<{ offset: number; bytes: number }> {
    const { received, bytes } = this.#upload(id);
    return { offset: received.length, bytes };
  }

  async append(
    id: string,
    offset: number,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<{ offset: number; bytes: number }> {
    const upload = this.#upload(id);
    if (offset !== upload.received.length)
      throw new SkerryError("UPLOAD_OFFSET", `the upload stands at ${upload.received.length}, not at ${offset}`);
    for await (const piece of withMinimumRate(bytes, this.#clock)) {
      upload.received = Buffer.concat([upload.received, piece]);
      this.onPiece(piece);
    }
    return this.progress(id);
  }

  async complete(id: string): Promise<ModelVersion> {
    const { model, version, bytes, received } = this.#upload(id);
    if (received.length < bytes)
      throw new SkerryError("UPLOAD_INCOMPLETE", `${received.length} of ${bytes} bytes are there`);
    const found = await this.getVersion(model, version);
    found.state = "checking";
    return found;
  }

  async moveAlias({
    model,
    alias,
    version,
    ifMatch,
  }: Parameters<Catalog["moveAlias"]>[0]): Promise<{ model: string; alias: string; version: number }> {
    const found = await this.getModel(model);
    await this.getVersion(model, version);
    const current = found.aliases[alias];
    const isAsExpected = ifMatch === "exists" ? current !== undefined : (current ?? null) === ifMatch;
    if (ifMatch !== undefined && !isAsExpected)
      throw new SkerryError("STALE_ETAG", `${alias} stands at ${current ?? "nothing"}`);
    this.#put({ ...found, aliases: { ...found.aliases, [alias]: version } });
    return { model, alias, version };
  }

  async artifact(model: string, number: number): ReturnType<Catalog["artifact"]> {
    const version = await this.getVersion(model, number);
    const file = { path: version.main, bytes: version.bytes, sha256: version.digest.slice("sha256:".length) };
    return { version, file, bytes: inPieces(new Uint8Array(version.bytes).fill(7), () => this.onClose()) };
  }

  #put(model: Model): Model {
    this.models.set(model.name, model);
    return model;
  }

  async #versionsOf(model: string): Promise<ModelVersion[]> {
    await this.getModel(model);
    return this.versions.get(model) ?? [];
  }

  #upload(id: string) {
    const upload = this.parts.get(id);
    if (!upload) throw new SkerryError("NOT_FOUND", `there is no upload ${id}`);
    return upload;
  }
}

/** 1,000 bytes at a time. Tells when its reader is done with it, whether or not he began. */
function inPieces(bytes: Uint8Array, onClose: () => void): AsyncIterable<Uint8Array> {
  let at = 0;
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const value = bytes.subarray(at, (at += 1_000));
        return value.length > 0 ? { done: false, value } : { done: true, value: undefined };
      },
      return: async () => {
        onClose();
        return { done: true, value: undefined };
      },
    }),
  };
}

const aModelVersion = (model: string, version: number, over: Partial<ModelVersion>): ModelVersion => ({
  model,
  version,
  state: "ready",
  reason: null,
  damage: null,
  digest: `sha256:${"a".repeat(64)}`,
  artifact: null,
  bytes: 2_500,
  format: "onnx",
  runtime: "onnx",
  main: "model.onnx",
  files: [{ path: "model.onnx", bytes: over.bytes ?? 2_500, sha256: "a".repeat(64) }],
  opset: 17,
  irVersion: 8,
  producer: null,
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
  rows: { kind: "independent" as const },
  notes: [],
  text: null,
  encoder: null,
  engine: null,
  pipeline: null,
  variants: [],
  labels: {},
  metrics: {},
  createdAt: toInstant(0),
  ...over,
});
