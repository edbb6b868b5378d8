import type { Logger } from "../../../shared/base/logger.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages.ts";
import { noSharingReason } from "../../core/row-sharing.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { HostSpec } from "../../ports/model-hosts.ts";
import type { NodeLog } from "../session/node-log.ts";

interface Parts {
  readonly disk: Pick<ArtifactDisk, "directory" | "manifest">;
  readonly log: NodeLog;
  readonly logger: Logger;
}

/** What a model host is started with. Throws when the artifact's manifest cannot be read. */
export async function hostSpecOf(placement: DesiredPlacement, { disk, log, logger }: Parts): Promise<HostSpec> {
  const { placementId, model, version, artifact, limits } = placement;
  const noBatchReason = noSharingReason(await disk.manifest(artifact), limits.rowsAreIndependent);
  return {
    placementId,
    model,
    version,
    directory: disk.directory(artifact),
    limits,
    ...(noBatchReason !== undefined && { noBatchReason }),
    onWarning: (reason, message) => {
      logger.warn({ placementId, model, version, reason }, message);
      log.add("warn", `${model}:${version}: ${message}`, reason);
    },
    onSharingStopped: (reason) => {
      logger.warn({ placementId, model, version, reason }, "runs are not shared any more");
      log.add("warn", `${model}:${version} does not share runs any more: ${reason}`);
    },
  };
}
