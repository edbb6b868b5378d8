import type { ExplainRecord } from "../../../../shared/api/v1/deployments/explain.ts";
import type { PlacementId } from "../../../../shared/base/ids.ts";
import type { FleetPlacement, PlacementAttempt } from "../../fleet/types.ts";

/** A placement that is only planned, for whatever looks at the fleet as it would be. It is never written. */
export const plannedPlacement = (of: {
  readonly id: PlacementId;
  readonly deployment: string;
  readonly model: string;
  readonly version: number;
  readonly nodeId: FleetPlacement["nodeId"];
  readonly explain: ExplainRecord;
  readonly attempt?: PlacementAttempt;
  /** ms, the fleet's clock. */
  readonly now: number;
}): FleetPlacement => ({
  id: of.id,
  deployment: of.deployment,
  model: of.model,
  version: of.version,
  nodeId: of.nodeId,
  generation: 1,
  wanted: "serve",
  explain: of.explain,
  decidedAt: of.now,
  state: "offered",
  stateSince: of.now,
  failure: undefined,
  attempt: of.attempt,
  progress: undefined,
  progressSince: of.now,
  rssMiB: undefined,
  warmUs: undefined,
  sharing: undefined,
  limitMiB: undefined,
  measuredMiB: undefined,
  host: undefined,
});
