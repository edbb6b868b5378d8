/**
 * A part of the fleet's rows, by name: what a change touched, and what is read again because of it. A node stands for its
 * row, its session and all placements on it; a model for its versions and aliases.
 */
export interface FleetKeys {
  /** Ids. */
  readonly nodes?: readonly string[] | undefined;
  /** Names. */
  readonly deployments?: readonly string[] | undefined;
  /** Names. */
  readonly models?: readonly string[] | undefined;
}

/** Everything that any of them names. */
export const unionOf = (all: readonly FleetKeys[]): FleetKeys => ({
  nodes: union(all.map(({ nodes }) => nodes)),
  deployments: union(all.map(({ deployments }) => deployments)),
  models: union(all.map(({ models }) => models)),
});

const union = (all: readonly (readonly string[] | undefined)[]): readonly string[] => [
  ...new Set(all.flatMap((names) => names ?? [])),
];

/** Whether rows that were read belong to `keys`; undefined keys are all rows. */
export interface Coverage {
  readonly node: (id: string) => boolean;
  readonly deployment: (name: string) => boolean;
  readonly model: (name: string) => boolean;
}

export function coverageOf(keys: FleetKeys | undefined): Coverage {
  if (!keys) return { node: () => true, deployment: () => true, model: () => true };
  const [nodes, deployments, models] = [new Set(keys.nodes), new Set(keys.deployments), new Set(keys.models)];
  return {
    node: (id) => nodes.has(id),
    deployment: (name) => deployments.has(name),
    model: (name) => models.has(name),
  };
}
