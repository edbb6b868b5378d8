import { describe, expect, it } from "@jest/globals";
import type { Fleet, FleetNode, FleetPlacement, VersionErrors } from "../../../../../control-plane/core/fleet/types.ts";
import { Moves } from "../../../../../control-plane/core/reconcile/moves.ts";
import { planFleet, type FleetPlan } from "../../../../../control-plane/core/reconcile/plan.ts";
import { describePlan } from "../../../../../control-plane/core/reconcile/steps.ts";
import type { PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import { ReplicaScaling } from "../../../../../control-plane/core/scaling/replica-targets.ts";
import type { Demand } from "../../../../../control-plane/core/scaling/demand.ts";
import { whatIf } from "../../../../../control-plane/core/what-if/what-if.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import {
  aDeployment,
  aFleet,
  aFleetSession,
  aNode,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const random = seededRandom(17);
/** Up to 30 % more or less. */
const noisy = (value: number): number => value * (0.7 + 0.6 * random.next());
const oneOf = (numbers: readonly number[]): number => numbers[Math.floor(random.next() * numbers.length)] ?? 0;

const nodes = Array.from({ length: 60 }, (_, at) =>
  aNode(`node-${String(at).padStart(2, "0")}`, {
    kind: at % 6 === 0 ? "cloud" : "edge",
    site: `site-${at % 6}`,
    zone: `zone-${at % 6}`,
    load: {
      at: NOW,
      cpuPct: oneOf([10, 40, 70]),
      memFreeMiB: 4_000,
      diskFreeMiB: 50_000,
      rttMs: oneOf([1, 20, 80]),
      rif: 2,
      placements: [],
    },
  }),
);
const deployments = Array.from({ length: 20 }, (_, at) =>
  aDeployment({
    name: `d-${at}`,
    model: `m-${at}`,
    version: 1,
    placement: { edge: { min: 1 + (at % 4), ...(at % 5 === 0 && { max: 10 }) }, cloud: { min: at % 2 } },
  }),
);
const versions = deployments.map(({ spec }) => aVersion(spec.model, 1, { bytes: oneOf([1, 50, 200]) * 1_048_576 }));
/** Asks for two replicas, also with 30 % more or less. */
const demand: Demand = { ratePerS: 200, serviceMs: 15, waiting: 0, slots: 4 };

const contextAt = (now: number, over: Partial<PlanContext> = {}): PlanContext => ({
  now,
  timings: TIMINGS,
  trigger: "test",
  ...over,
});

function noisyNode(node: FleetNode, now: number): FleetNode {
  const { load, session } = node;
  if (!load || !session?.open) return node;
  const measured = {
    ...load,
    at: now,
    cpuPct: Math.min(100, noisy(load.cpuPct)),
    memFreeMiB: noisy(load.memFreeMiB),
    diskFreeMiB: noisy(load.diskFreeMiB),
    rttMs: noisy(load.rttMs),
    rif: Math.round(noisy(load.rif)),
    errors: deployments.slice(0, 4).map(({ spec }) => erring(spec.model, now)),
  };
  return { ...node, load: measured, session: { ...session, lastSeen: now - 5_000 * random.next(), ownerSeen: now } };
}

/** Any part of the requests fails. */
function erring(model: string, now: number): VersionErrors {
  return { model, version: 1, requests: 100, errors: Math.round(100 * random.next()), at: now, erredAt: now };
}

const noisyPlacement = (placement: FleetPlacement): FleetPlacement => ({
  ...placement,
  warmUs: noisy(3_000),
  rssMiB: noisy(200),
});

/** The same fleet as it is measured at `now`. */
function measured(fleet: Fleet, now: number): Fleet {
  const placements = new Map([...fleet.placements].map(([id, placement]) => [id, noisyPlacement(placement)]));
  return {
    ...fleet,
    revision: fleet.revision + 1,
    nodes: new Map([...fleet.nodes].map(([id, node]) => [id, noisyNode(node, now)])),
    placements,
    placementsOn: Map.groupBy(placements.values(), ({ nodeId }) => nodeId),
  };
}

/** The fleet when everything that was planned has been done. */
function converged(scaling: ReplicaScaling): Fleet {
  const start = aFleet({ nodes, deployments, versions });
  const targets = scaling.update(start, demandsOf(1.3), { now: NOW, wallNow: NOW, timings: TIMINGS });
  const last = [...whatIf(start, contextAt(NOW, { targets }))].at(-1);
  if (!last?.isLast) throw new Error("the plan has no end");
  return last.fleet;
}

const demandsOf = (share: number): ReadonlyMap<string, Demand> =>
  new Map(deployments.map(({ name }) => [name, { ...demand, ratePerS: demand.ratePerS * share }]));

describe("a converged fleet", () => {
  it("has no step in an hour in which every signal is off by up to 30 %, and nodes fail ever other shares of requests", () => {
    const scaling = new ReplicaScaling(300_000);
    const fleet = converged(scaling);
    expect(fleet.placements.size).toBeGreaterThan(50);
    const steps: string[] = [];
    const moves = new Moves();
    let previous: FleetPlan | undefined;
    for (let second = 5; second <= 3_600; second += 5) {
      const now = NOW + second * 1_000;
      const present = measured(fleet, now);
      const demands = demandsOf(noisy(1));
      const targets = scaling.update(present, demands, { now, wallNow: now, timings: TIMINGS });
      const context = contextAt(now, { targets });
      previous = planFleet(present, context, previous);
      const move = moves.next(present, previous, { ...context, demands });
      steps.push(...describePlan(move ? [move] : previous.steps));
    }
    expect(steps).toEqual([]);
  });

  it("stays as it is when 60 % of its nodes vanish at once, and says so of each deployment that they hold", () => {
    const scaling = new ReplicaScaling(300_000);
    const fleet = converged(scaling);
    const gone = new Set([...fleet.nodes.keys()].filter((_, at) => at % 5 < 3));
    const away = new Map(
      [...fleet.nodes].map(([id, node]) => {
        const session = aFleetSession({ open: false, lastSeen: NOW - 61_000 });
        return [id, gone.has(id) ? { ...node, session } : node];
      }),
    );
    const targets = scaling.update(fleet, demandsOf(1), { now: NOW, wallNow: NOW, timings: TIMINGS });
    const { steps, decisions } = planFleet({ ...fleet, nodes: away }, contextAt(NOW, { targets }));
    expect(describePlan(steps)).toEqual([]);
    for (const { placements, held } of decisions.values()) {
      const isTouched = placements.some(({ nodeId }) => gone.has(nodeId));
      expect(held).toEqual(
        isTouched
          ? [
              "more than 55 % of all nodes are lost, so nothing is moved away from them; remove those that will not come back with `skerry nodes rm`",
            ]
          : [],
      );
    }
  });
});
