import { nodeState, type NodeTimings } from "../fleet/node-status.ts";
import type { Fleet, FleetDeployment, FleetNode } from "../fleet/types.ts";
import { memo } from "../memo.ts";
import type { Demand, Expected } from "./demand.ts";
import { isPoolFor, type Pool } from "./pool.ts";
import { PoolStarts } from "./pool-starts.ts";
import { followsDemand } from "./replica-targets.ts";
import { RisingRates } from "./rising-rates.ts";

/** A rate is not said to rise for longer than this, in ms. */
const MOST_AHEAD_MS = 120_000;

/**
 * What demand will be when a cloud node that is asked for now is ready. While a load rises all the time, nodes that are asked
 * for when they are missing are too few again when they come. Remembers the last seconds of rates, and what starts took.
 */
export class DemandForecast {
  readonly #rising = new RisingRates();
  readonly #starts = new PoolStarts();

  /** By the name of the deployment; those that do not rise, or whose nodes are not known to take time, are not in it. */
  update(
    fleet: Fleet,
    demands: ReadonlyMap<string, Demand>,
    { pools, now, timings }: { readonly pools: readonly Pool[]; readonly now: number; readonly timings: NodeTimings },
  ): ReadonlyMap<string, Expected> {
    const isReady = (pod: string): boolean => {
      const node = nodesByName(fleet.nodes).get(pod);
      return node !== undefined && nodeState(node, now, timings) === "ready";
    };
    this.#starts.update(pools, isReady, now);
    const expected = new Map<string, Expected>();
    for (const [name, slope] of this.#rising.update(demands, now)) {
      const [demand, deployment] = [demands.get(name), fleet.deployments.get(name)];
      const inMs = deployment ? this.#startMs(deployment, pools) : 0;
      if (demand && inMs > 0) expected.set(name, { demand: demandIn(demand, { slope, inMs }), inMs });
    }
    return expected;
  }

  /** Forgets the past: another replica leads. */
  reset(): void {
    this.#rising.reset();
    this.#starts.reset();
  }

  #startMs(deployment: FleetDeployment, pools: readonly Pool[]): number {
    if (!followsDemand(deployment.spec.placement, "cloud")) return 0;
    const starts = pools.filter((pool) => isPoolFor(pool, deployment)).map(({ name }) => this.#starts.of(name) ?? 0);
    return Math.min(MOST_AHEAD_MS, Math.max(0, ...starts));
  }
}

/** What the demand will be in `inMs` if it goes on rising by `slope` requests per second in each second. */
export const demandIn = (
  demand: Demand,
  { slope, inMs }: { readonly slope: number; readonly inMs: number },
): Demand => ({ ...demand, ratePerS: demand.ratePerS + (slope * inMs) / 1_000 });

const nodesByName = memo(
  (nodes: Fleet["nodes"]): ReadonlyMap<string, FleetNode> =>
    new Map([...nodes.values()].map((node) => [node.name, node])),
);
