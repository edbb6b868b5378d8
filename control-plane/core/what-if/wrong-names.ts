import type { PlanRequest } from "../../../shared/api/v1/deployments/plan.ts";
import type { Cause } from "../../../shared/base/invalid-fields.ts";
import type { Fleet, FleetNode } from "../fleet/types.ts";

/** A name in a question, and the field that it is in. */
interface Named {
  readonly field: string;
  readonly name: string;
}

/** What is wrong with the names of a question, by field: no such object, one that is there already, one that is named twice. */
export function wrongNames(fleet: Fleet, { nodes, deployments }: PlanRequest): readonly Cause[] {
  const present = new Map(
    fleet.nodes
      .values()
      .filter(({ revoked }) => !revoked)
      .map((node) => [node.name, node]),
  );
  const added = named("nodes.add", nodes.add, ({ name }) => name, ".name");
  const known = new Set([...present.keys(), ...added.map(({ name }) => name)]);
  const states = (["remove", "cordon", "uncordon", "drain"] as const).flatMap((list) =>
    named(`nodes.${list}`, nodes[list], (name) => name),
  );
  const loaded = named("nodes.load", nodes.load, ({ node }) => node, ".node");
  const removed = named("deployments.remove", deployments.remove, (name) => name);
  const applied = named("deployments.apply", deployments.apply, ({ name }) => name, ".name");
  const likes = nodes.add.flatMap(({ like }, index) =>
    like === undefined ? [] : [{ field: `nodes.add.${index}.like`, name: like }],
  );
  return [
    ...added.flatMap(({ field, name }) =>
      present.has(name) ? [{ field, message: `is the name of a node that is there already: ${name}` }] : [],
    ),
    ...unknown(likes, present, "node"),
    ...unknown([...states, ...loaded], known, "node"),
    ...unknown(removed, fleet.deployments, "deployment"),
    ...[added, states, loaded, [...applied, ...removed]].flatMap(repeated),
    ...nodes.load.flatMap((load, index) => withoutReport(present.get(load.node), load, `nodes.load.${index}`)),
  ];
}

const named = <Item>(
  list: string,
  items: readonly Item[],
  nameOf: (item: Item) => string,
  end = "",
): readonly Named[] => items.map((item, index) => ({ field: `${list}.${index}${end}`, name: nameOf(item) }));

const unknown = (
  names: readonly Named[],
  known: { readonly has: (name: string) => boolean },
  what: string,
): readonly Cause[] =>
  names.flatMap(({ field, name }) => (known.has(name) ? [] : [{ field, message: `there is no ${what} ${name}` }]));

function repeated(names: readonly Named[]): readonly Cause[] {
  const first = new Map<string, string>();
  return names.flatMap(({ field, name }) => {
    const before = first.get(name);
    if (before === undefined) first.set(name, field);
    return before === undefined ? [] : [{ field, message: `names ${name}, as \`${before}\` does` }];
  });
}

/** A node that has not reported a load has nothing that could stand for what is left out. */
function withoutReport(
  node: FleetNode | undefined,
  load: PlanRequest["nodes"]["load"][number],
  field: string,
): readonly Cause[] {
  if (node?.load !== undefined) return [];
  return (["cpuPct", "diskFreeMiB", "rttMs"] as const)
    .filter((each) => load[each] === undefined)
    .map((each) => ({ field: `${field}.${each}`, message: `is missing; ${load.node} has reported no load` }));
}
