import { lastingDeployment, type Deployment } from "../../../shared/api/v1/deployments.ts";
import { lastingNode, type Node } from "../../../shared/api/v1/nodes.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet } from "../../core/fleet/types.ts";
import type { FleetReader } from "./fleet-reader.ts";
import { ListWatch } from "./list-watch.ts";

export interface FleetWatches {
  readonly nodes: ListWatch<Node>;
  readonly deployments: ListWatch<Deployment>;
}

/** The lists of the fleet that can be followed. Each change of the fleet wakes them. */
export function createFleetWatches(parts: {
  /** Of this control-plane replica and this start. */
  readonly instance: string;
  readonly fleet: Pick<FleetReader, "snapshot" | "now"> & { onChange(listener: () => void): void };
  readonly listNodes: () => readonly Node[];
  readonly listDeployments: () => readonly Deployment[];
  readonly timings: NodeTimings;
  readonly clock: Clock;
}): FleetWatches {
  const { instance, fleet, listNodes, listDeployments, timings, clock } = parts;
  const common = {
    instance,
    clock,
    nameOf: ({ name }: { readonly name: string }) => name,
    fingerprint: () => fingerprintOf(fleet.snapshot(), fleet.now(), timings),
  };
  const nodes = new ListWatch({ ...common, list: listNodes, lasting: lastingNode });
  const deployments = new ListWatch({ ...common, list: listDeployments, lasting: lastingDeployment });
  fleet.onChange(() => {
    nodes.wake();
    deployments.wake();
  });
  return { nodes, deployments };
}

/** Silence changes what a node is, and what its deployments are, without a change of the fleet. */
const fingerprintOf = ({ revision, nodes }: Fleet, now: number, timings: NodeTimings): string =>
  [revision, ...nodes.values().map((node) => nodeState(node, now, timings))].join(" ");
