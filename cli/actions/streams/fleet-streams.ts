import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { Node } from "../../../shared/api/v1/nodes/nodes.ts";

type OnNode = NonNullable<Node["load"]>["streams"][number];
type Declared = NonNullable<Deployment["spec"]["streams"]>[number];

/** A stream on one node that has reported it. */
export interface NodeRow extends OnNode {
  readonly node: string;
}

/** A stream of the fleet. `declared` is undefined when its deployment declares it no more and nodes still work it off. */
export interface FleetStream {
  readonly deployment: string;
  readonly name: string;
  readonly declared: Declared | undefined;
  readonly nodes: readonly NodeRow[];
}

export const keyOf = ({ deployment, name }: { readonly deployment: string; readonly name: string }): string =>
  `${deployment}/${name}`;

/** What deployments declare and what nodes report, by stream, in the order of their names. */
export function fleetStreams(deployments: readonly Deployment[], nodes: readonly Node[]): readonly FleetStream[] {
  const declared = deployments.flatMap(({ name: deployment, spec }) =>
    (spec.streams ?? []).map((stream) => ({ deployment, name: stream.name, declared: stream })),
  );
  const rows = nodes.flatMap(({ name: node, load }) => (load?.streams ?? []).map((stream) => ({ ...stream, node })));
  const byKey = Map.groupBy(rows, keyOf);
  const known = new Set(declared.map(keyOf));
  const ended = [...byKey]
    .filter(([key]) => !known.has(key))
    .flatMap(([, [first]]) => (first === undefined ? [] : [{ ...first, declared: undefined }]));
  return [...declared, ...ended]
    .map((each) => ({
      deployment: each.deployment,
      name: each.name,
      declared: each.declared,
      nodes: byKey.get(keyOf(each)) ?? [],
    }))
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

export const sumOf = ({ nodes }: FleetStream, of: (row: NodeRow) => number): number =>
  nodes.reduce((sum, row) => sum + of(row), 0);

/** `2 running, 1 waiting`. */
export function statesOf({ nodes }: FleetStream): string {
  const states = [...Map.groupBy(nodes, ({ state }) => state)];
  return states.length === 0 ? "on no node" : states.map(([state, rows]) => `${rows.length} ${state}`).join(", ");
}
