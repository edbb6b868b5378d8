import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import type { Measured } from "../../core/placements/placement-states.ts";
import { sharingOf } from "../../core/row-sharing.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";

const TRIALS_ALONE = { isShared: true, reason: "trials found no difference" };

/** What the control plane is to know of a running host. */
export function measuredHost(host: ModelHost, { limits }: Pick<DesiredPlacement, "limits">): Measured {
  const { mayShare = TRIALS_ALONE, noBatchReason, measuredMiB, sharedHost } = host;
  return {
    rssMiB: Math.round(host.rssMiB()),
    warmUs: Math.round(host.warmUs),
    sharing: sharingOf(mayShare, noBatchReason, limits),
    limitMiB: host.memory().limitMiB,
    ...(measuredMiB !== undefined && { measuredMiB }),
    ...(sharedHost !== undefined && { host: sharedHost }),
  };
}
