import { versionKey } from "../../../shared/base/version-key.ts";
import type { Residency } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { sortedDesired, type DesiredState } from "../../../shared/protocol/desired.ts";
import { DEFAULT_QUEUE, MAX_ALIASES_PER_VERSION } from "../../../shared/protocol/limits.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import { releaseOf } from "../../../shared/protocol/model-files/release.ts";
import { MAX_STREAMS_PER_NODE } from "../../../shared/protocol/streams.ts";
import { kindOf } from "../../../shared/text/model-kind.ts";
import { isWanted, placementsOn } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement } from "../fleet/types.ts";
import { builtOf } from "../fleet/versions/variants.ts";
import { runningRollout } from "../fleet/versions/versions.ts";
import { heldOn, roomHeldOn } from "../scheduling/planning/held.ts";
import { isolationOf } from "../scheduling/needs/isolation.ts";
import { memoryLimitMiB } from "../scheduling/needs/memory.ts";

/**
 * Rows of one run. With 32 requests in flight, 8 rows gave half to three quarters of the answers that 32 gave, and 64 gave
 * 0.9–1.1 times as many for models of 50 µs and 1 ms, for twice the memory (test/bench/requests/batching.bench.ts).
 */
const MAX_BATCH = 32;

/** What one node should hold, as its desired document says it. */
export function desiredFor(fleet: Fleet, node: FleetNode): DesiredState {
  const placements: DesiredPlacement[] = [];
  const held = heldOn(fleet, node).union(roomHeldOn(fleet, node));
  for (const placement of placementsOn(fleet, node.id)) {
    if (!isWanted(placement)) continue;
    const desired = desiredPlacement(fleet, placement, held.has(placement.id) ? "hold" : "serve");
    if (desired) placements.push(desired);
  }
  return withinStreams(sortedDesired({ cordoned: node.cordoned, placements }));
}

/** The first streams of a node, in the order of its placements: the document has to fit one message. */
function withinStreams({ cordoned, placements }: DesiredState): DesiredState {
  let left = MAX_STREAMS_PER_NODE;
  return {
    cordoned,
    placements: placements.map(({ streams = [], ...placement }) => {
      const kept = streams.slice(0, left);
      left -= kept.length;
      return kept.length === 0 ? placement : { ...placement, streams: kept };
    }),
  };
}

function desiredPlacement(
  fleet: Fleet,
  placement: FleetPlacement,
  want: DesiredPlacement["want"],
): DesiredPlacement | undefined {
  const version = builtOf(fleet, placement);
  const deployment = placement.deployment === undefined ? undefined : fleet.deployments.get(placement.deployment);
  if (version?.artifact === undefined || !deployment) return undefined;
  const aliases = fleet.aliasesOf.get(versionKey(placement.model, placement.version));
  // Of a text model or an encoder it is computed: what a token takes is known. An engine's memory is not the node's.
  const isolation = isolationOf(version, deployment);
  // What a shared host measures is a share, and no limit for a host of its own, where each of its models is tried.
  const known = isolation === "shared" || placement.host !== undefined ? { measuredMiB: undefined } : placement;
  const isEstimate =
    version?.engine === undefined &&
    kindOf(version) === "tensors" &&
    deployment.spec.limits.memMiB === undefined &&
    known.measuredMiB === undefined;
  const residency: Residency = deployment.spec.placement.residency;
  return {
    placementId: placement.id,
    generation: placement.generation,
    deployment: deployment.name,
    model: placement.model,
    version: String(placement.version),
    ...(aliases !== undefined && { aliases: aliases.slice(0, MAX_ALIASES_PER_VERSION) }),
    artifact: version.artifact,
    ...(placement.explain.variant && { variant: placement.explain.variant.name }),
    ...(version.release && { release: releaseOf(version.release) }),
    want,
    residency,
    ...(isStandby(deployment, placement) && { standby: true as const }),
    ...(deployment.spec.streams !== undefined && { streams: deployment.spec.streams }),
    limits: {
      memMiB: memoryLimitMiB(known, version, deployment),
      ...(isEstimate && { memIsEstimate: true }),
      maxBatch: deployment.spec.limits.maxBatch ?? MAX_BATCH,
      queue: deployment.spec.limits.queue ?? DEFAULT_QUEUE,
      timeoutMs: deployment.spec.limits.timeoutMs,
      maxDelayUs: deployment.spec.limits.maxDelayUs ?? 0,
      ...(deployment.spec.limits.rowsAreIndependent === true && { rowsAreIndependent: true }),
      ...(isolation === "shared" && { isolation }),
    },
  };
}

/** Of the two versions of a running rollout: the new one, until that answers all requests; then the old one. */
function isStandby(deployment: FleetDeployment, { version }: FleetPlacement): boolean {
  const record = runningRollout(deployment)?.record;
  return record !== undefined && version === (record.share === 100 ? record.from : record.to);
}
