import type { AddedNode, LoadedNode, PlanRequest } from "../../../shared/api/v1/deployments/plan.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { Capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import type { Fleet, FleetDeployment, FleetNode } from "../fleet/types.ts";

/** The fleet with the changes of a question, of which `wrongNames` finds nothing wrong. `now`: ms, the fleet's clock. */
export function changedFleet(fleet: Fleet, { nodes, deployments }: PlanRequest, now: number): Fleet {
  return {
    ...fleet,
    revision: fleet.revision + 1,
    nodes: changedNodes(fleet, nodes, now),
    deployments: changedDeployments(fleet, deployments),
  };
}

function changedNodes(fleet: Fleet, changes: PlanRequest["nodes"], now: number): Fleet["nodes"] {
  const byName = new Map(fleet.nodes.values().map((node) => [node.name, node]));
  for (const added of changes.add) {
    byName.set(added.name, newNode(added, added.like === undefined ? undefined : byName.get(added.like), now));
  }
  const change = (name: string, what: Partial<FleetNode>): void => {
    const node = byName.get(name);
    if (node) byName.set(name, { ...node, ...what });
  };
  for (const name of changes.remove) change(name, { revoked: true });
  for (const name of changes.cordon) change(name, { cordoned: true });
  for (const name of changes.uncordon) change(name, { cordoned: false, draining: false });
  for (const name of changes.drain) change(name, { cordoned: true, draining: true });
  for (const load of changes.load) change(load.node, { load: changedLoad(byName.get(load.node), load, now) });
  return new Map(byName.values().map((node) => [node.id, node]));
}

function newNode(added: AddedNode, like: FleetNode | undefined, now: number): FleetNode {
  const site = added.site ?? like?.site ?? "default";
  return {
    id: `what-if-${added.name}` as NodeId,
    name: added.name,
    kind: added.kind ?? like?.kind ?? "edge",
    site,
    zone: added.zone ?? (added.site === undefined ? like?.zone : undefined) ?? site,
    labels: added.labels ?? like?.labels ?? {},
    capabilities: { ...(like?.capabilities ?? UNSAID), ...definedOf(added.capabilities) },
    generation: 1,
    cordoned: false,
    draining: false,
    revoked: false,
    desiredRev: 0,
    createdAt: 0,
    session: {
      epoch: 1,
      open: true,
      openedAt: now,
      replica: "",
      agentVersion: like?.session?.agentVersion ?? "",
      lastSeen: now,
      isReady: true,
      ownerSeen: now,
      announced: "ready",
    },
    observed: undefined,
    load: undefined,
  };
}

/** The planner reads nothing of these; what it reads is asked for. */
const UNSAID: Capabilities = {
  arch: "",
  os: "",
  cpus: 1,
  memMiB: 0,
  diskMiB: 0,
  runtime: "",
  maxOpset: 0,
  maxIrVersion: 0,
  providers: [],
};

const definedOf = ({
  memMiB,
  diskMiB,
  maxOpset,
  maxIrVersion,
  runtimes,
  optionalInputs,
}: AddedNode["capabilities"]) => ({
  ...(memMiB !== undefined && { memMiB }),
  ...(diskMiB !== undefined && { diskMiB }),
  ...(maxOpset !== undefined && { maxOpset }),
  ...(maxIrVersion !== undefined && { maxIrVersion }),
  ...(runtimes !== undefined && { runtimes }),
  ...(optionalInputs !== undefined && { optionalInputs }),
});

/** What was not given is as the node reported it last. */
function changedLoad(node: FleetNode | undefined, given: LoadedNode, now: number): FleetNode["load"] {
  const before = node?.load;
  return {
    rif: 0,
    placements: [],
    ...before,
    at: now,
    cpuPct: given.cpuPct ?? before?.cpuPct ?? 0,
    memFreeMiB: before?.memFreeMiB ?? node?.capabilities?.memMiB ?? 0,
    diskFreeMiB: given.diskFreeMiB ?? before?.diskFreeMiB ?? node?.capabilities?.diskMiB ?? 0,
    rttMs: given.rttMs ?? before?.rttMs ?? 0,
  };
}

function changedDeployments(fleet: Fleet, { apply, remove }: PlanRequest["deployments"]): Fleet["deployments"] {
  if (apply.length + remove.length === 0) return fleet.deployments;
  const deployments = new Map(fleet.deployments);
  for (const name of remove) deployments.delete(name);
  for (const spec of apply) deployments.set(spec.name, declared(fleet.deployments.get(spec.name), spec));
  return deployments;
}

/** Its status stays: the number of replicas that follow demand is in it. */
const declared = (known: FleetDeployment | undefined, spec: DeploymentSpec): FleetDeployment => ({
  name: spec.name,
  spec,
  generation: (known?.generation ?? 0) + 1,
  createdAt: known?.createdAt ?? 0,
  status: known?.status,
  rollout: known?.rollout,
});
