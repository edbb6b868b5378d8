import { lastingDeployment, type Deployment } from "../../../shared/api/v1/deployments.ts";
import { lastingNode, type Node } from "../../../shared/api/v1/nodes.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import { quarantineOf } from "../../core/fleet/quarantine.ts";
import type { ChangeSet } from "../../core/fleet/changes/change-set.ts";
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
  readonly fleet: Pick<FleetReader, "snapshot" | "now"> & {
    onChange(listener: (change: ChangeSet, fleet: Fleet) => void): void;
  };
  readonly listNodes: () => readonly Node[];
  /** Of those with these names, the nodes of the list. */
  readonly someNodes: (names: ReadonlySet<string>) => readonly Node[];
  readonly listDeployments: () => readonly Deployment[];
  readonly timings: NodeTimings;
  readonly clock: Clock;
}): FleetWatches {
  const { instance, fleet, listNodes, someNodes, listDeployments, timings, clock } = parts;
  const common = {
    instance,
    clock,
    nameOf: ({ name }: { readonly name: string }) => name,
  };
  const states = (): string => statesOf(fleet.snapshot(), fleet.now(), timings);
  const nodes = new ListWatch({
    ...common,
    list: listNodes,
    some: someNodes,
    lasting: lastingNode,
    fingerprint: states,
  });
  const deployments = new ListWatch({
    ...common,
    list: listDeployments,
    lasting: lastingDeployment,
    fingerprint: () => `${fleet.snapshot().revision} ${states()}`,
  });
  fleet.onChange((change, now) => {
    nodes.wake(touchedNodes(change, now));
    deployments.wake();
  });
  return { nodes, deployments };
}

/** Time alone changes what a node is, and what its deployments are, without a change of the fleet. */
const statesOf = ({ nodes }: Fleet, now: number, timings: NodeTimings): string =>
  nodes
    .values()
    .map((node) => `${nodeState(node, now, timings)}${quarantineOf(node, now) ? "!" : ""}`)
    .toArray()
    .join(" ");

/** Names of the nodes that a change is about; undefined when one of them is gone, whose name nobody knows any more. */
function touchedNodes({ nodes, placements }: ChangeSet, fleet: Fleet): ReadonlySet<string> | undefined {
  const ids = new Set([...nodes, ...placements.values()]);
  const names = new Set<string>();
  for (const id of ids) {
    const node = fleet.nodes.get(id);
    if (node === undefined) return undefined;
    names.add(node.name);
  }
  return names;
}
