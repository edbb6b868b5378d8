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

/** Everything that either names. */
export const unionOf = (a: FleetKeys, b: FleetKeys): FleetKeys => ({
  nodes: union(a.nodes, b.nodes),
  deployments: union(a.deployments, b.deployments),
  models: union(a.models, b.models),
});

const union = (a: readonly string[] = [], b: readonly string[] = []): readonly string[] => [...new Set([...a, ...b])];

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
