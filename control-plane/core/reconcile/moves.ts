import type { Fleet } from "../fleet/types.ts";
import type { Demand } from "../scaling/demand.ts";
import { candidatesOf } from "../scheduling/candidates/candidate.ts";
import { stateFor, type PlanContext } from "../scheduling/context.ts";
import { mayMove, moveOf, STAY_MS } from "../scheduling/planning/moves/moves.ts";
import type { FleetPlan } from "./plan.ts";
import type { Step } from "./steps.ts";

/** Moves are looked for this often, in ms: a better node runs away from nobody. */
const LOOK_MS = 30_000;
/** Pairs of a replica and a node that one look compares, at most. The next look goes on with other deployments. */
const MAX_PAIRS = 50_000;
/** A node to which a replica was moved gets the next one of the same version after twice as long each time, after so long at most, in ms. */
const MOST_MS = 24 * 60 * 60_000;

interface Moved {
  readonly times: number;
  readonly at: number;
}

/**
 * Finds replicas that answer sooner elsewhere, one at a time, in a fleet in which nothing else is to be done. Remembers when
 * it looked, and when it moved a replica of a deployment and where to: one that failed there, or came back from there, is not
 * moved there again and again. A leader that has just begun moves nothing for 10 minutes.
 */
export class Moves {
  #lookedAt = -Infinity;
  /** The deployment that was looked at last: the next look begins after it. */
  #last = "";
  readonly #movedAt = new Map<string, number>();
  /** By `keyOf`. */
  readonly #movedTo = new Map<string, Moved>();

  /** The step that begins a move, after a plan without steps; undefined: none. `demands`: by the name of the deployment. */
  next(
    fleet: Fleet,
    plan: FleetPlan,
    { demands, ...context }: PlanContext & { readonly demands: ReadonlyMap<string, Demand> },
  ): Step<"placement.create"> | undefined {
    const { now } = context;
    if (now - this.#lookedAt < LOOK_MS) return undefined;
    const names = [...demands.keys()]
      .filter((name) => this.#isDue(name, now) && plan.memory.settled.has(name))
      .toSorted();
    if (names.length === 0 || !mayMove(fleet, context)) return undefined;
    this.#lookedAt = now;
    for (const [key, { at }] of this.#movedTo) if (now - at >= 2 * MOST_MS) this.#movedTo.delete(key);
    const candidates = candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now });
    const first = names.findIndex((name) => name > this.#last);
    let pairs = 0;
    for (const name of first < 0 ? names : [...names.slice(first), ...names.slice(0, first)]) {
      const settled = plan.memory.settled.get(name);
      if (!settled || pairs > MAX_PAIRS) break;
      this.#last = name;
      const { deployment, version } = settled;
      const replicas = settled.plan.placements;
      pairs += replicas.length * candidates.length;
      const move = moveOf(deployment, {
        fleet,
        context,
        candidates,
        replicas,
        version,
        isOpen: (nodeId) => this.#isOpen(keyOf(name, { version: version.version, nodeId }), now),
        ratePerS: demands.get(name)?.ratePerS ?? 0,
      });
      if (!move) continue;
      this.#movedAt.set(name, now);
      const key = keyOf(name, move);
      this.#movedTo.set(key, { times: (this.#movedTo.get(key)?.times ?? 0) + 1, at: now });
      const { generation: deploymentGeneration, spec } = deployment;
      return { kind: "placement.create", deployment: name, deploymentGeneration, model: spec.model, ...move };
    }
    return undefined;
  }

  /** Forgets the past: another replica leads. */
  reset(): void {
    this.#lookedAt = -Infinity;
    this.#movedAt.clear();
    this.#movedTo.clear();
  }

  #isOpen(key: string, now: number): boolean {
    const moved = this.#movedTo.get(key);
    return moved === undefined || now - moved.at >= Math.min(MOST_MS, STAY_MS * 2 ** (moved.times - 1));
  }

  #isDue(name: string, now: number): boolean {
    const movedAt = this.#movedAt.get(name) ?? -Infinity;
    if (now - movedAt >= STAY_MS) this.#movedAt.delete(name);
    return now - movedAt >= STAY_MS;
  }
}

const keyOf = (
  deployment: string,
  { version, nodeId }: { readonly version: number; readonly nodeId: string },
): string => `${deployment} ${version} ${nodeId}`;
