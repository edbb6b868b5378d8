import { keys } from "../../../control-plane/adapters/system/ed25519.ts";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckProcess } from "../../../control-plane/adapters/artifacts/check-process.ts";
import { FileStore } from "../../../control-plane/adapters/artifacts/disk/file-store.ts";
import { ModelCatalog } from "../../../control-plane/app/catalog/model-catalog.ts";
import type { NewVersion } from "../../../control-plane/app/catalog/uploads.ts";
import type { ModelCheck } from "../../../control-plane/ports/catalog/artifacts.ts";
import type { Actor } from "../../../control-plane/ports/access/audit.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import { MODEL_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import { aFleet } from "../../support/fleet/fleet-builder.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";
import { FakeCatalogStore } from "./fake-catalog-store.ts";

export const ada: Actor = {
  name: "ada",
  role: "operator",
  keyId: "k-1",
  models: [],
  address: "127.0.0.1",
  requestId: "r-1",
};
export const MINUTE_MS = 60_000;
export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** A declaration of files by their paths. */
export const bundleOf = (files: Readonly<Record<string, Uint8Array>>, main = MODEL_FILE): NewVersion => ({
  runtime: "onnx",
  main,
  files: Object.entries(files).map(([path, bytes]) => ({ path, bytes: bytes.length, sha256: sha256(bytes) })),
  labels: {},
  metrics: {},
});

export async function* pieces(...blocks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* blocks;
}

/** Catalogs over one directory and one list of rows: the same installation, before and after a restart. */
export class CatalogRig {
  readonly root: string;
  readonly artifacts: FileStore;
  readonly rows = new FakeCatalogStore();
  readonly clock = new TestClock();
  readonly #started: ModelCatalog[] = [];

  static async open(): Promise<CatalogRig> {
    const root = await mkdtemp(join(tmpdir(), "skerry-catalog-"));
    return new CatalogRig(root, await FileStore.open(root));
  }

  private constructor(root: string, artifacts: FileStore) {
    this.root = root;
    this.artifacts = artifacts;
  }

  async close(): Promise<void> {
    for (const catalog of this.#started) await catalog.stop();
    await rm(this.root, { recursive: true, force: true });
  }

  /** A catalog that runs; `check` stands in for the child process where the test is about what surrounds it. */
  start(check: ModelCheck = new CheckProcess({ clock: systemClock })): ModelCatalog {
    const { rows, artifacts, clock } = this;
    const random = seededRandom(this.#started.length + 1);
    const fleet = { snapshot: () => aFleet({}) };
    const catalog = new ModelCatalog({
      catalog: rows,
      artifacts,
      check,
      keys,
      fleet,
      clock,
      random,
      logger: silentLogger,
    });
    catalog.start();
    this.#started.push(catalog);
    return catalog;
  }

  /** Declares a version of `digits` and returns the upload's id. */
  async declare(catalog: ModelCatalog, bytes: Uint8Array, declared: { sha256?: string } = {}): Promise<string> {
    if (!this.rows.models.has("digits")) await catalog.createModel({ name: "digits", labels: {} }, ada);
    const files = [{ path: MODEL_FILE, bytes: bytes.length, sha256: sha256(bytes), ...declared }];
    const version = { runtime: "onnx", main: MODEL_FILE, files, labels: {}, metrics: {} } as const;
    const { uploadUrl } = await catalog.uploads.declare("digits", version, ada);
    return uploadUrl.replace("/api/v1/uploads/", "");
  }

  /** Declares, uploads and completes; the check goes on. */
  async push(
    catalog: ModelCatalog,
    bytes: Uint8Array,
    { actor = ada, ...declared }: { sha256?: string; actor?: Actor } = {},
  ): Promise<string> {
    const id = await this.declare(catalog, bytes, declared);
    await catalog.uploads.append(id, 0, pieces(bytes));
    await catalog.uploads.complete(id, actor);
    return id;
  }

  /** The next sweep, from its timer to its end and to the end of the checks that it began. */
  async sweep(catalog: ModelCatalog): Promise<void> {
    await catalog.idle();
    await this.clock.advance(MINUTE_MS);
    await catalog.idle();
  }

  eventTexts(): readonly string[] {
    return this.rows.events.map(({ reason, object, message }) => `${reason} ${object}: ${message}`);
  }
}
