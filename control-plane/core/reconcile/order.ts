import type { Fleet, FleetDeployment } from "../fleet/types.ts";
import type { DeploymentPlan } from "../scheduling/planning/plan-deployment.ts";
import { priorityOf } from "../scheduling/planning/preemption/victims.ts";

interface Plan {
  readonly decisions: ReadonlyMap<string, DeploymentPlan>;
}

/** Plans of the same fleet in other orders, at most. */
const MAX_ORDERS = 4;
/** Filters that refuse a node because of what is on it, or has just been planned for it. */
const ROOM = ["fits-memory", "fits-disk", "has-slot", "has-streams"];

/**
 * Higher priority first, so that it has the room; of equal priority those of `first` in their order, then by name, so that a
 * plan does not depend on the order of rows.
 */
export function inOrder(fleet: Fleet, first: readonly string[]): readonly FleetDeployment[] {
  const places = new Map(first.map((name, place) => [name, place]));
  const placeOf = ({ name }: FleetDeployment): number => places.get(name) ?? first.length;
  return [...fleet.deployments.values()].toSorted(
    (a, b) => priorityOf(b) - priorityOf(a) || placeOf(a) - placeOf(b) || (a.name < b.name ? -1 : 1),
  );
}

/**
 * The plan in the order of names, or, where a deployment does not get its minimum because others of its priority were given
 * the room in the same plan, the best of a few orders in which such deployments go first. Which deployment of several has to
 * do without is then no matter of its name, and small ones do not take the only node that is large enough for another.
 */
export function withMinimums<Of extends Plan>(fleet: Fleet, planIn: (first: readonly string[]) => Of): Of {
  let best = planIn([]);
  let latest = best;
  let first: readonly string[] = [];
  for (let order = 1; order < MAX_ORDERS; order += 1) {
    const found = helpable(fleet, latest);
    const next = [...found, ...first.filter((name) => !found.includes(name))];
    if (found.length === 0 || next.join() === first.join()) return best;
    first = next;
    latest = planIn(first);
    if (isBetter(fleet, latest, best)) best = latest;
  }
  return best;
}

/** Names of those without their minimum that another order may help: nodes have no room, and others got some of it. */
function helpable(fleet: Fleet, { decisions }: Plan): readonly string[] {
  const given = new Set<number>();
  for (const [name, { create }] of decisions) if (create.length > 0) given.add(priorityAt(fleet, name));
  return [...decisions].flatMap(([name, plan]) =>
    plan.lacking > 0 && given.has(priorityAt(fleet, name)) && isForRoom(plan) ? [name] : [],
  );
}

const priorityAt = (fleet: Fleet, name: string): number => {
  const deployment = fleet.deployments.get(name);
  return deployment ? priorityOf(deployment) : 0;
};

const isForRoom = ({ records }: DeploymentPlan): boolean =>
  records.some(({ chosen, rejected }) => chosen.length === 0 && ROOM.some((code) => rejected[code] !== undefined));

/** Fewer replicas of the highest priority at which they differ lack. */
function isBetter(fleet: Fleet, plan: Plan, than: Plan): boolean {
  const difference = new Map<number, number>();
  for (const [name, { lacking }] of plan.decisions) {
    const priority = priorityAt(fleet, name);
    const more = lacking - (than.decisions.get(name)?.lacking ?? 0);
    difference.set(priority, (difference.get(priority) ?? 0) + more);
  }
  const [highest] = [...difference].filter(([, more]) => more !== 0).toSorted(([a], [b]) => b - a);
  return highest !== undefined && highest[1] < 0;
}
