import type { Logger } from "../../../shared/base/logging/logger.ts";
import { MAX_SAMPLES_BYTES, SAMPLES_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import type { Manifest } from "../../../shared/protocol/model-files/manifest.ts";
import { REFERENCE } from "../../../shared/protocol/model-files/variants.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import { mayShare } from "../../core/row-sharing.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { HostSpec } from "../../ports/model-hosts.ts";
import type { NodeLog } from "../session/node-log.ts";

interface Parts {
  readonly disk: Pick<ArtifactDisk, "directory" | "manifest">;
  readonly log: NodeLog;
  readonly logger: Logger;
  /** What is known of the host is something else than before. */
  readonly onMeasured: () => void;
}

/** What a model host is started with. Throws when the artifact's manifest cannot be read. */
export async function hostSpecOf(
  placement: DesiredPlacement,
  { disk, log, logger, onMeasured }: Parts,
): Promise<HostSpec> {
  const { placementId, model, version, variant = REFERENCE, artifact, limits } = placement;
  const manifest = await disk.manifest(artifact);
  const { text, encoder, engine, pipeline, files, inputs, outputs } = manifest;
  return {
    placementId,
    model,
    version,
    directory: disk.directory(artifact),
    limits,
    ...(limits.isolation === "shared" && !text && !encoder && !engine && !pipeline && { mayShareHost: true }),
    // Of an encoder no graph proves it: the padding of shorter texts is tried.
    ...(!encoder && !engine && { mayShare: mayShare(manifest, limits.rowsAreIndependent) }),
    ...(manifest.defaults && { defaults: manifest.defaults }),
    ...(hasSamples(manifest) && { samples: SAMPLES_FILE }),
    ...(text && { text: { model: text, fileBytes: files.reduce((sum, { size }) => sum + size, 0) } }),
    ...(encoder && { encoder }),
    ...(pipeline && { isPipeline: true }),
    ...(engine && { engine: { model: engine, inputs, outputs } }),
    onWarning: (reason, message) => {
      // Outputs of the samples are the reference's; how far a variant is from that was measured when it was published.
      if (reason === "SamplesDiffer" && variant !== REFERENCE) return;
      logger.warn({ placementId, model, version, reason }, message);
      log.add("warn", `${model}:${version}: ${message}`, reason);
    },
    onSharingStopped: (reason) => {
      logger.warn({ placementId, model, version, reason }, "runs are not shared any more");
      log.add("warn", `${model}:${version} does not share runs any more: ${reason}`);
      onMeasured();
    },
    onMeasured,
  };
}

const hasSamples = ({ files }: Manifest): boolean =>
  files.some(({ name, size }) => name === SAMPLES_FILE && size <= MAX_SAMPLES_BYTES);
