/** What is asked about: toggles of the explain page. */
export interface WhatIfChoice {
  /** By node. */
  readonly nodes: ReadonlyMap<string, "cordon" | "drain" | "remove">;
  /** Nodes like this one, that join. */
  readonly added: { readonly like: string; readonly count: number } | undefined;
  readonly edgeMin: number | undefined;
  readonly cloudMin: number | undefined;
  /** Another variant on all its nodes, or `auto`. */
  readonly variant: string | undefined;
}

export const NOTHING: WhatIfChoice = {
  nodes: new Map(),
  added: undefined,
  edgeMin: undefined,
  cloudMin: undefined,
  variant: undefined,
};

export const isNothing = ({ nodes, added, ...ofSpec }: WhatIfChoice): boolean =>
  nodes.size === 0 && added === undefined && !changesSpec(ofSpec);

/** Whether the deployment itself is asked about, beside the fleet. */
export const changesSpec = ({ edgeMin, cloudMin, variant }: Omit<WhatIfChoice, "nodes" | "added">): boolean =>
  edgeMin !== undefined || cloudMin !== undefined || variant !== undefined;

interface Replicas {
  readonly min: number;
  readonly max?: number | undefined;
  readonly every: boolean;
}

/** `min` raised or lowered; a `max` below it goes with it. */
export const withMin = <Count extends Replicas>(count: Count, min: number | undefined): Count =>
  min === undefined ? count : { ...count, min, ...(count.max !== undefined && { max: Math.max(count.max, min) }) };

/** The body of `POST /api/v1/plan` for the chosen changes of the fleet. */
export function nodeChanges({ nodes, added }: WhatIfChoice, taken: ReadonlySet<string>) {
  const named = (what: "cordon" | "drain" | "remove"): string[] =>
    [...nodes].flatMap(([name, is]) => (is === what ? [name] : []));
  return {
    add: added ? freeNames(added.count, taken).map((name) => ({ name, like: added.like, capabilities: {} })) : [],
    remove: named("remove"),
    cordon: named("cordon"),
    drain: named("drain"),
    uncordon: [],
    load: [],
  };
}

/** `new-1`, `new-2` …, without those that a node has. */
function freeNames(count: number, taken: ReadonlySet<string>): string[] {
  const names: string[] = [];
  for (let at = 1; names.length < count; at += 1) if (!taken.has(`new-${at}`)) names.push(`new-${at}`);
  return names;
}
