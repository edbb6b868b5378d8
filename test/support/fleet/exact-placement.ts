import { versionOf } from "../../../control-plane/core/fleet/queries.ts";
import { nodeState } from "../../../control-plane/core/fleet/node-status.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement } from "../../../control-plane/core/fleet/types.ts";
import { nodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import { NOW, TIMINGS } from "./fleet-builder.ts";

const MIB = 1_048_576;

/** Room on a node, in MiB. */
interface Room {
  memMiB: number;
  diskMiB: number;
}

export const needOfDeployment = (fleet: Fleet, { spec }: FleetDeployment): Readonly<Room> => ({
  memMiB: spec.limits.memMiB ?? 0,
  diskMiB: Math.ceil((versionOf(fleet, spec.model, 1)?.bytes ?? 0) / MIB),
});

/** What an empty node has for models: 90 % of its memory, and what is free on its disk above 5 %. */
export function roomOf({ capabilities, load }: FleetNode): Readonly<Room> {
  const { memMiB = 0, diskMiB = 0 } = capabilities ?? {};
  return {
    memMiB: Math.floor(memMiB * 0.9),
    diskMiB: (load?.diskFreeMiB ?? diskMiB) - Math.ceil(diskMiB * 0.05),
  };
}

/** Whether the node is of those that a deployment names. */
export const isMeant = ({ kind, labels }: FleetNode, { spec: { placement } }: FleetDeployment): boolean =>
  (placement.residency === "any" || placement.residency === `${kind}-only`) &&
  (placement.where.matchLabels["gpu"] === undefined || labels["gpu"] === placement.where.matchLabels["gpu"]);

/** Whether a node may have a replica of a deployment if there is room, said in other words than those of the filters. */
export function mayHost(fleet: Fleet, node: FleetNode, deployment: FleetDeployment): boolean {
  const { spec } = deployment;
  const { opset = 0, bytes = 0 } = versionOf(fleet, spec.model, 1) ?? {};
  const hasFailed = node.history?.some(
    ({ model, loadFailures, attempt }) =>
      model === spec.model && loadFailures > 2 && attempt?.memMiB === spec.limits.memMiB,
  );
  return (
    nodeState(node, NOW, TIMINGS) === "ready" &&
    !node.cordoned &&
    !node.draining &&
    isMeant(node, deployment) &&
    opset <= (node.capabilities?.maxOpset ?? 0) &&
    bytes / (node.load?.pushBytesPerMs ?? Infinity) <= 3_600_000 &&
    hasFailed !== true
  );
}

/**
 * Whether every deployment can have its minimums at once when of what is placed some of the replicas beyond minimums leave:
 * tries everything, so only for small fleets.
 */
export function haveAllRoomBeside(fleet: Fleet): boolean {
  const placed = [...fleet.placements.values()];
  for (let leaving = 0; leaving < 2 ** placed.length; leaving += 1) {
    const staying = placed.filter((_, at) => (leaving & (1 << at)) === 0);
    const leave = placed.filter((each) => !staying.includes(each));
    if (leave.every((each) => isBeyondMinimum(fleet, each, staying)) && haveAllRoom(fleet, staying)) return true;
  }
  return false;
}

/** Whether its deployment has its minimum of that kind among those that stay. */
function isBeyondMinimum(
  fleet: Fleet,
  { deployment = "", nodeId }: FleetPlacement,
  staying: readonly FleetPlacement[],
) {
  const kindOf = (id: FleetNode["id"]) => fleet.nodes.get(id)?.kind ?? "edge";
  const kind = kindOf(nodeId);
  const left = staying.filter((each) => each.deployment === deployment && kindOf(each.nodeId) === kind).length;
  return left >= (fleet.deployments.get(deployment)?.spec.placement[kind].min ?? 0);
}

/**
 * Whether every deployment can have its minimums at once on the nodes, which hold nothing but `placed`: tries every assignment,
 * so only for small fleets.
 */
export function haveAllRoom(fleet: Fleet, placed: readonly FleetPlacement[] = []): boolean {
  const nodes = [...fleet.nodes.values()];
  const free = new Map(nodes.map((node) => [node.id, { ...roomOf(node) }]));
  const holds = new Set(placed.map(({ deployment, nodeId }) => `${deployment} ${nodeId}`));
  for (const { deployment = "", nodeId } of placed) {
    const [room, of] = [free.get(nodeId), fleet.deployments.get(deployment)];
    // Its bytes are on the disk already: what is free there is what is left.
    if (room && of) room.memMiB -= needOfDeployment(fleet, of).memMiB;
  }
  const groups = [...fleet.deployments.values()].flatMap((deployment) =>
    nodeKind.options.map((kind) => {
      const ofKind = nodes.filter((node) => node.kind === kind);
      const isHeld = ({ id }: FleetNode): boolean => holds.has(`${deployment.name} ${id}`);
      return {
        need: needOfDeployment(fleet, deployment),
        count: Math.max(0, deployment.spec.placement[kind].min - ofKind.filter(isHeld).length),
        among: ofKind.filter((node) => !isHeld(node) && mayHost(fleet, node, deployment)),
      };
    }),
  );
  /** Whether the groups from `group` on have room when `left` more of it go on its nodes from `from` on. */
  function fits(group: number, from: number, left: number): boolean {
    const of = groups[group];
    if (!of) return true;
    if (left === 0) return fits(group + 1, 0, groups[group + 1]?.count ?? 0);
    for (let at = from; at <= of.among.length - left; at += 1) {
      const room = free.get(of.among[at]?.id ?? ("" as FleetNode["id"]));
      if (!room || room.memMiB < of.need.memMiB || room.diskMiB < of.need.diskMiB) continue;
      room.memMiB -= of.need.memMiB;
      room.diskMiB -= of.need.diskMiB;
      const isFound = fits(group, at + 1, left - 1);
      room.memMiB += of.need.memMiB;
      room.diskMiB += of.need.diskMiB;
      if (isFound) return true;
    }
    return false;
  }
  return fits(0, 0, groups[0]?.count ?? 0);
}
