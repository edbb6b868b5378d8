import type { Placement } from "../../../shared/api/v1/deployments/placements.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet, FleetPlacement } from "../../core/fleet/types.ts";
import { age } from "../nodes/node-dto.ts";

/** A placement as the API shows it. Its node may be deleted already: then only its id is left of it. */
export function toPlacementDto(
  fleet: Fleet,
  placement: FleetPlacement,
  time: { readonly now: number; readonly timings: NodeTimings },
): Placement {
  const node = fleet.nodes.get(placement.nodeId);
  const { failure, progress } = placement;
  return {
    id: placement.id,
    deployment: placement.deployment ?? "",
    model: placement.model,
    version: placement.version,
    node: node?.name ?? placement.nodeId,
    nodeState: node ? nodeState(node, time.now, time.timings) : "revoked",
    kind: node?.kind ?? placement.explain.kind,
    generation: placement.generation,
    wanted: placement.wanted,
    state: placement.state,
    failure: failure ? { code: failure.code, detail: failure.detail } : null,
    progress: progress ? { done: progress.done, total: progress.total } : null,
    stateAgeMs: age(time.now, placement.stateSince),
    sharing: placement.sharing ? { ...placement.sharing } : null,
    limitMiB: placement.limitMiB ?? null,
    host: placement.host ?? null,
    variant: placement.explain.variant?.name ?? null,
    why: placement.explain.sentence,
  };
}

/** What a selector over placements may name. */
export const placementLabels = (placement: Placement): Readonly<Record<string, string>> => ({
  deployment: placement.deployment,
  model: placement.model,
  version: String(placement.version),
  node: placement.node,
  kind: placement.kind,
  state: placement.state,
  wanted: placement.wanted,
});
