import { lastingDeployment, type Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { lastingPlacement, type Placement } from "../../../shared/api/v1/deployments/placements.ts";
import { lastingNode, type Node } from "../../../shared/api/v1/nodes/nodes.ts";
import type { Rollout } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import { placementsOn } from "../../core/fleet/queries.ts";
import { quarantineOf } from "../../core/fleet/versions/quarantine.ts";
import type { ChangeSet } from "../../core/fleet/changes/change-set.ts";
import type { Fleet } from "../../core/fleet/types.ts";
import type { FleetReader } from "./fleet-reader.ts";
import { ListWatch } from "./list-watch.ts";

export interface FleetWatches {
  readonly nodes: ListWatch<Node>;
  readonly deployments: ListWatch<Deployment>;
  /** The newest rollout of each deployment. */
  readonly rollouts: ListWatch<Rollout>;
  readonly placements: ListWatch<Placement>;
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
  readonly listRollouts: () => readonly Rollout[];
  readonly listPlacements: () => readonly Placement[];
  /** Of those with these ids, the placements of the list. */
  readonly somePlacements: (ids: ReadonlySet<string>) => readonly Placement[];
  readonly timings: NodeTimings;
  readonly clock: Clock;
}): FleetWatches {
  const { instance, fleet, listNodes, someNodes, listDeployments, timings, clock } = parts;
  const common = { instance, clock };
  const nameOf = ({ name }: { readonly name: string }): string => name;
  const states = (): string => statesOf(fleet.snapshot(), fleet.now(), timings);
  const nodes = new ListWatch({
    ...common,
    nameOf,
    list: listNodes,
    some: someNodes,
    lasting: lastingNode,
    fingerprint: states,
  });
  const deployments = new ListWatch({
    ...common,
    nameOf,
    list: listDeployments,
    lasting: lastingDeployment,
    fingerprint: () => `${fleet.snapshot().revision} ${states()}`,
  });
  const rollouts = new ListWatch({
    ...common,
    nameOf: ({ deployment }) => deployment,
    list: parts.listRollouts,
    lasting: (rollout) => rollout,
    // Nothing of it changes without a change of its deployment.
    fingerprint: () => "",
  });
  const placements = new ListWatch({
    ...common,
    nameOf: ({ id }) => id,
    list: parts.listPlacements,
    some: parts.somePlacements,
    lasting: lastingPlacement,
    fingerprint: () => `${states()} ${progressOf(fleet.snapshot())}`,
  });
  const names = new Map<string, string>(
    fleet
      .snapshot()
      .nodes.values()
      .map(({ id, name }) => [id, name]),
  );
  fleet.onChange((change, now) => {
    nodes.wake(touchedNodes(change, now, names));
    deployments.wake();
    placements.wake(touchedPlacements(change, now));
    if (change.deployments.size > 0) rollouts.wake();
  });
  return { nodes, deployments, rollouts, placements };
}

/** How many follow each list. */
export const followersOf = ({
  nodes,
  deployments,
  rollouts,
  placements,
}: FleetWatches): Record<keyof FleetWatches, number> => ({
  nodes: nodes.followers,
  deployments: deployments.followers,
  rollouts: rollouts.followers,
  placements: placements.followers,
});

/** Time alone changes what a node is, and what its deployments are, without a change of the fleet. */
const statesOf = ({ nodes }: Fleet, now: number, timings: NodeTimings): string =>
  nodes
    .values()
    .map((node) => `${nodeState(node, now, timings)}${quarantineOf(node, now) ? "!" : ""}`)
    .toArray()
    .join(" ");

/** How far pushes are, in percent: a change of the fleet does not report it. */
const progressOf = ({ placements }: Fleet): string =>
  placements
    .values()
    .filter(({ state }) => state === "downloading")
    .map(({ id, progress }) => `${id} ${progress ? Math.floor((100 * progress.done) / progress.total) : ""}`)
    .toArray()
    .join(" ");

/** Ids of the placements that a change is about; those of a node show its state. */
const touchedPlacements = ({ nodes, placements }: ChangeSet, fleet: Fleet): ReadonlySet<string> =>
  new Set([...placements.keys(), ...[...nodes].flatMap((id) => placementsOn(fleet, id).map((each) => each.id))]);

/**
 * Names of the nodes that a change is about, those that they had before included; undefined when one of them is gone. `known`
 * are the names so far, and learns the new ones.
 */
function touchedNodes(
  { nodes, placements }: ChangeSet,
  fleet: Fleet,
  known: Map<string, string>,
): ReadonlySet<string> | undefined {
  const ids = new Set([...nodes, ...placements.values()]);
  const names = new Set<string>();
  let isAnyGone = false;
  for (const id of ids) {
    const before = known.get(id);
    const name = fleet.nodes.get(id)?.name;
    if (before !== undefined) names.add(before);
    if (name === undefined) {
      isAnyGone = true;
      known.delete(id);
    } else {
      names.add(name);
      known.set(id, name);
    }
  }
  return isAnyGone ? undefined : names;
}
