import { placementsOn } from "../../fleet/queries.ts";
import type { Fleet, FleetNode, FleetPlacement } from "../../fleet/types.ts";
import { builtOf, hasAskedVariant, variantOf } from "../../fleet/versions/variants.ts";
import { runningRollout, targetVersion } from "../../fleet/versions/versions.ts";
import { diskFloorMiB, diskNeedMiB, freeDiskMiB, heldDiskMiB } from "../needs/disk.ts";
import { reservedMiB, usableMemoryMiB } from "../needs/memory.ts";

/** States of a placement that uses the disk of its node and none of its memory. */
const WITHOUT_MEMORY: readonly FleetPlacement["state"][] = ["offered", "downloading", "verifying", "staged"];
const WITH_MEMORY: readonly FleetPlacement["state"][] = ["loading", "warming", "ready", "draining"];

/**
 * Ids of the placements on a node that are brought to its disk and not loaded while an older version of their deployment
 * is on the node: both do not fit into its memory, or the deployment asks for one at a time. The old version serves until
 * the bytes of the new one are there, so that only the load interrupts it. Those of a rollout that stages its wave are not
 * loaded either.
 */
export function heldOn(fleet: Fleet, node: FleetNode): ReadonlySet<string> {
  const present = placementsOn(fleet, node.id);
  const staging = present.filter((placement) => isStaging(fleet, placement));
  const successors = present.filter((placement) => hasToWait(fleet, placement, present));
  if (successors.length === 0) return staging.length === 0 ? NONE : new Set(staging.map(({ id }) => id));
  const neededMiB = present.reduce((sum, placement) => sum + reservedMiB(fleet, placement), 0);
  const isTooMuch = neededMiB > usableMemoryMiB(node);
  const held = successors.filter((placement) => isTooMuch || breaksFirst(fleet, placement));
  return new Set([...held, ...staging].map(({ id }) => id));
}

/**
 * Ids of the placements on a node that are brought to its disk and not loaded while replicas of lower priority, which have to
 * leave it for them, are there.
 */
export function roomHeldOn(fleet: Fleet, node: FleetNode): ReadonlySet<string> {
  const present = placementsOn(fleet, node.id);
  const leaving = new Set(
    present.filter(({ wanted, state }) => wanted === "gone" && state !== "gone").map(({ id }) => id),
  );
  if (leaving.size === 0) return NONE;
  const held = present.filter(
    ({ wanted, state, explain }) =>
      wanted !== "gone" &&
      WITHOUT_MEMORY.includes(state) &&
      explain.victims?.some(({ placementId }) => leaving.has(placementId as FleetPlacement["id"])) === true,
  );
  return held.length === 0 ? NONE : new Set(held.map(({ id }) => id));
}

/**
 * Ids of the placements on a node whose bytes come only when another version of their deployment has left it: its disk does
 * not hold both.
 */
export function diskHeldOn(fleet: Fleet, node: FleetNode): ReadonlySet<string> {
  const present = placementsOn(fleet, node.id);
  const roomMiB = freeDiskMiB(node) - diskFloorMiB(node);
  const held = present.filter((placement) => {
    const { state, deployment } = placement;
    if (state !== "offered" || deployment === undefined) return false;
    const isAlone = !present.some((other) => other.deployment === deployment && heldDiskMiB(fleet, other) > 0);
    if (isAlone) return false;
    const version = builtOf(fleet, placement);
    return version !== undefined && diskNeedMiB(version) > roomMiB;
  });
  return held.length === 0 ? NONE : new Set(held.map(({ id }) => id));
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Wanted, not loaded yet, and on a node that has another version of the same deployment: one that is loaded, or, for the
 * version that the deployment asks for, any. Of two that are not loaded one may load, also when the deployment went back to
 * the older one meanwhile.
 */
function hasToWait(fleet: Fleet, placement: FleetPlacement, present: readonly FleetPlacement[]): boolean {
  if (placement.wanted === "gone" || placement.deployment === undefined) return false;
  if (!WITHOUT_MEMORY.includes(placement.state)) return false;
  const deployment = fleet.deployments.get(placement.deployment);
  if (!deployment) return false;
  const isTarget =
    targetVersion(fleet, deployment) === placement.version && hasAskedVariant(placement, deployment.spec);
  return present.some(
    (other) =>
      other.deployment === placement.deployment &&
      (other.version !== placement.version || variantOf(other) !== variantOf(placement)) &&
      (isTarget || WITH_MEMORY.includes(other.state)),
  );
}

function breaksFirst(fleet: Fleet, { deployment: name = "" }: FleetPlacement): boolean {
  const deployment = fleet.deployments.get(name);
  if (!deployment) return false;
  return deployment.spec.update?.breakFirst === true || runningRollout(deployment)?.record.strategy === "recreate";
}

/** Of the version to which a rollout goes that loads it nowhere yet. */
function isStaging(fleet: Fleet, { deployment: name = "", version, state, wanted }: FleetPlacement): boolean {
  const deployment = fleet.deployments.get(name);
  const record = deployment && runningRollout(deployment)?.record;
  if (!record || wanted === "gone" || version !== record.to || !WITHOUT_MEMORY.includes(state)) return false;
  return record.phase === "staging" || (record.phase === "paused" && record.resumes === "staging");
}
