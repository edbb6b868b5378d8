import type { PlacementId } from "../../../shared/base/ids.ts";
import { isWanted, placementsOn } from "../fleet/queries.ts";
import type { Fleet, FleetNode, FleetPlacement } from "../fleet/types.ts";
import { builtOf } from "../fleet/versions/variants.ts";
import { withPlacements } from "../fleet/with-placements.ts";
import type { PlacementSteps, Step } from "../reconcile/steps.ts";
import { stateFor, type PlanContext } from "../scheduling/context.ts";
import { diskFloorMiB, diskNeedMiB, freeDiskMiB, heldDiskMiB } from "../scheduling/needs/disk.ts";
import { diskHeldOn, heldOn, roomHeldOn } from "../scheduling/planning/held.ts";
import { plannedPlacement } from "../scheduling/planning/planned-placement.ts";
import { stallTimes } from "../scheduling/planning/stalled.ts";

/** The fleet when the steps are written and no node has done anything about them yet. */
export function withSteps(fleet: Fleet, steps: readonly Step<keyof PlacementSteps>[], now: number): Fleet {
  const changes = new Map<string, FleetPlacement | undefined>();
  for (const step of steps) {
    if (step.kind === "placement.create") {
      const { deployment, model, version, nodeId, record: explain, attempt } = step;
      const id = `what-if-${fleet.revision}-${changes.size}` as PlacementId;
      changes.set(id, plannedPlacement({ id, deployment, model, version, nodeId, explain, attempt, now }));
    } else if (step.kind === "placement.delete") {
      changes.set(step.placement.id, undefined);
    } else {
      const { placement } = step;
      const generation = placement.generation + 1;
      const after =
        step.kind === "placement.remove"
          ? { ...placement, generation, wanted: "gone" as const }
          : { ...placement, generation, ...TRIED_AGAIN, stateSince: now, progressSince: now, attempt: step.attempt };
      changes.set(placement.id, after);
    }
  }
  return withPlacements(fleet, changes);
}

const TRIED_AGAIN = { state: "offered", failure: undefined, progress: undefined } as const;

/** The same fleet when every node that is there has done what it was told, as far as it can before another step. */
export function whenDone(fleet: Fleet, context: PlanContext): Fleet {
  const changes = new Map<string, FleetPlacement | undefined>();
  const nodes = new Map<string, FleetNode>();
  for (const node of fleet.nodes.values()) {
    if (fleet.placementsOn.has(node.id) && stateFor(node, context) === "ready")
      obey(fleet, node, { context, changes, nodes });
  }
  const after = withPlacements(fleet, changes);
  return nodes.size === 0 ? after : { ...after, nodes: new Map([...fleet.nodes, ...nodes]) };
}

/** Unwanted placements are gone; those that need not wait for another version, and can come, are ready. */
function obey(
  fleet: Fleet,
  node: FleetNode,
  found: {
    readonly context: PlanContext;
    readonly changes: Map<string, FleetPlacement | undefined>;
    readonly nodes: Map<string, FleetNode>;
  },
): void {
  const { now } = found.context;
  const held = heldOn(fleet, node).union(roomHeldOn(fleet, node));
  const diskHeld = diskHeldOn(fleet, node);
  const stalls = stallTimes(fleet, node);
  const roomMiB = freeDiskMiB(node) - diskFloorMiB(node);
  let freedMiB = 0;
  for (const placement of placementsOn(fleet, node.id)) {
    const { id, state } = placement;
    if (!isWanted(placement)) {
      found.changes.set(id, undefined);
      freedMiB += heldDiskMiB(fleet, placement);
      continue;
    }
    const version = builtOf(fleet, placement);
    const isAtRest = state === "ready" || state === "failed" || diskHeld.has(id) || (stalls.get(id) ?? Infinity) <= now;
    const next = held.has(id) ? "staged" : "ready";
    if (isAtRest || state === next || version === undefined) continue;
    if (heldDiskMiB(fleet, placement) === 0) {
      // Several placements of one plan may be more than the disk holds: the node then takes those that come first.
      if (version.damage !== undefined || diskNeedMiB(version) > roomMiB + freedMiB) continue;
      freedMiB -= diskNeedMiB(version);
    }
    found.changes.set(id, { ...placement, state: next, stateSince: now, progressSince: now, progress: undefined });
  }
  if (freedMiB !== 0) found.nodes.set(node.id, withDisk(node, freedMiB));
}

/** What is free on a disk: what the node reported last, else all of it. */
function withDisk(node: FleetNode, moreMiB: number): FleetNode {
  const { load, capabilities } = node;
  if (load) return { ...node, load: { ...load, diskFreeMiB: Math.max(0, load.diskFreeMiB + moreMiB) } };
  if (!capabilities) return node;
  return { ...node, capabilities: { ...capabilities, diskMiB: Math.max(0, capabilities.diskMiB + moreMiB) } };
}
