import path from "node:path";
import type { Clock } from "../../shared/base/clock.ts";
import type { Logger } from "../../shared/base/logging/logger.ts";
import { FileStore } from "../adapters/artifacts/disk/file-store.ts";
import type { Config } from "../config.ts";
import { settingsError } from "../settings/settings-error.ts";
import type { ArtifactStore } from "../ports/catalog/artifacts.ts";
import type { Metrics } from "../ports/metrics.ts";

/**
 * The store of model files. Nothing of S3 is loaded without a bucket. Throws a `settingsError` when the bucket refuses the
 * control plane; one that does not answer is waited for by those who need it, because requests are routed without it.
 */
export async function openArtifacts(
  { dataDir, objectStore }: Config,
  parts: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: Pick<Metrics, "objectStoreAsked">;
  },
): Promise<ArtifactStore> {
  if (!objectStore) return FileStore.open(dataDir);
  const { ObjectStore } = await import("../adapters/artifacts/s3/object-store.ts");
  const { clock, logger, metrics } = parts;
  const store = await ObjectStore.open(objectStore, {
    scratch: path.join(dataDir, "scratch"),
    onAsked: (request) => metrics.objectStoreAsked(request),
  });
  const found = await store.probe(clock.wallNow());
  if (found.kind === "refused") throw settingsError([`  SKERRY_OBJECT_STORE: ${found.why}.`]);
  if (found.kind === "away")
    logger.warn({ error: found.why }, "the object store does not answer; models can be published when it is back");
  return store;
}
