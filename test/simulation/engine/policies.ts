import { candidateSet, type CandidateSet } from "../../../control-plane/core/routing/candidate-set.ts";
import { expectedMs, type RouteCandidate } from "../../../control-plane/core/routing/estimate.ts";
import { pick } from "../../../control-plane/core/routing/pick.ts";
import { PlacementStats, type PlacementFigures } from "../../../control-plane/core/routing/placement-stats.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { World } from "./world.ts";

/** What a router asks its policy, and tells it. Nodes by their index. */
export interface Policy {
  /** Undefined: refused. */
  choose(order: Order): { readonly node: number; readonly etaMs: number } | undefined;
  sent(node: number, now: number): void;
  /** The run has ended at the node: only perfect knowledge learns of it before the answer comes. */
  ranAt(node: number): void;
  /** `figures`: undefined without piggyback. */
  answered(node: number, figures: PlacementFigures | undefined, now: number): void;
  failed(node: number, now: number): void;
  abandoned(node: number): void;
  reported(node: number, figures: PlacementFigures, now: number): void;
}

export interface Order {
  readonly now: number;
  readonly timeLeftMs: number;
  readonly asked: readonly number[];
}

export type PolicyOf = (world: World, random: Random) => Policy;

interface SimCandidate extends RouteCandidate {
  readonly index: number;
}

function candidatesOf(
  world: World,
  statsOf: (node: number) => PlacementStats,
  isServing: (node: number) => boolean = () => true,
): SimCandidate[] {
  return world.nodes.map(({ kind, meanMs, slots }, index) => {
    const stats = statsOf(index);
    stats.report({ rif: 0, slots, meanUs: meanMs * 1_000, p95Us: 0 }, 0);
    if (isServing(index)) stats.setServing(true, -1e9);
    return {
      index,
      placementId: `p${index}`,
      nodeId: `n${index}`,
      node: `n${index}`,
      kind,
      cost: kind === "cloud" ? 1 : 0,
      rttMs: world.rttMs(index),
      warmUs: meanMs * 1_000,
      stats,
    };
  });
}

const nothing = (): void => undefined;

/** As often as `RouteCache` builds its sets anew. */
const KEEP_MS = 100;

/** Skerry's own router: the code of core/routing. `servesFrom`: when a node has loaded the model, in ms; always, unless said otherwise. */
export const skerry =
  ({ servesFrom = () => -1 }: { readonly servesFrom?: (node: number) => number } = {}): PolicyOf =>
  (world, random) => {
    const candidates = candidatesOf(
      world,
      () => new PlacementStats(),
      (node) => servesFrom(node) < 0,
    );
    const statsOf = (node: number): PlacementStats => candidates[node]?.stats ?? new PlacementStats();
    let cold = candidates.filter(({ index }) => servesFrom(index) >= 0);
    let set: CandidateSet<SimCandidate> = candidateSet(
      candidates.filter((each) => !cold.includes(each)),
      0,
    );
    let builtAt = 0;
    const setAt = (now: number): CandidateSet<SimCandidate> => {
      for (const { index, stats } of cold) if (servesFrom(index) <= now) stats.setServing(true, now);
      cold = cold.filter(({ index }) => servesFrom(index) > now);
      return candidateSet(cold.length === 0 ? candidates : candidates.filter((each) => !cold.includes(each)), now);
    };
    return {
      choose({ now, timeLeftMs, asked }) {
        if (now - builtAt >= KEEP_MS) [set, builtAt] = [setAt(now), now];
        const choice = pick(set, {
          now,
          random,
          timeLeftMs,
          mayTake: asked.length === 0 ? () => true : ({ index }) => !asked.includes(index),
          prefer: undefined,
          sloMs: undefined,
        });
        return choice.kind === "picked" ? { node: choice.candidate.index, etaMs: choice.etaMs } : undefined;
      },
      sent: (node, now) => statsOf(node).begin(now),
      ranAt: nothing,
      answered(node, figures, now) {
        if (figures) statsOf(node).answered(figures, now);
        else statsOf(node).abandoned();
      },
      failed: (node, now) => statsOf(node).failed(now),
      abandoned: (node) => statsOf(node).abandoned(),
      reported: (node, figures, now) => statsOf(node).report(figures, now),
    };
  };

/** A router that begins anew at an instant, in ms: it forgets what it knew, and whose answers it waited for. */
export const restartingAt =
  (at: number, of: PolicyOf): PolicyOf =>
  (world, random) => {
    let policy = of(world, random);
    let isNew = false;
    const inFlight = new Float64Array(world.nodes.length);
    const late = new Float64Array(world.nodes.length);
    const restart = (now: number): void => {
      if (isNew || now < at) return;
      isNew = true;
      policy = of(world, random);
      late.set(inFlight);
      inFlight.fill(0);
    };
    /** Whether the answer is to a request of the router as it is now. */
    const isOwn = (node: number): boolean => {
      const counts = (late[node] ?? 0) > 0 ? late : inFlight;
      counts[node] = (counts[node] ?? 0) - 1;
      return counts === inFlight;
    };
    return {
      choose(order) {
        restart(order.now);
        return policy.choose(order);
      },
      sent(node, now) {
        inFlight[node] = (inFlight[node] ?? 0) + 1;
        policy.sent(node, now);
      },
      ranAt: nothing,
      answered: (node, figures, now) => void (isOwn(node) && policy.answered(node, figures, now)),
      failed: (node, now) => void (isOwn(node) && policy.failed(node, now)),
      abandoned: (node) => void (isOwn(node) && policy.abandoned(node)),
      reported: (node, figures, now) => policy.reported(node, figures, now),
    };
  };

/**
 * The bound: the same choice with every queue known exactly and at once, requests on their way there included, and true
 * means. With `argmin` the least of them always, as bounds are usually drawn: that is the weaker bound of the two.
 */
export function exactQueues({ argmin = false } = {}): PolicyOf {
  return (world, random) => {
    const all = world.nodes.map(() => new PlacementStats());
    const statsOf = (node: number): PlacementStats => all[node] ?? new PlacementStats();
    const candidates = candidatesOf(world, statsOf);
    const set = candidateSet(candidates, 0);
    return {
      choose({ now, timeLeftMs, asked }) {
        const mayTake = ({ index }: SimCandidate): boolean => !asked.includes(index);
        if (argmin) return soonest(candidates.filter(mayTake), now);
        const choice = pick(set, { now, random, timeLeftMs, mayTake, prefer: undefined, sloMs: undefined });
        return choice.kind === "picked" ? { node: choice.candidate.index, etaMs: choice.etaMs } : undefined;
      },
      // Who knows the queues does not read silence.
      sent: (node) => statsOf(node).begin(Infinity),
      ranAt: (node) => statsOf(node).abandoned(),
      answered: nothing,
      failed: nothing,
      abandoned: nothing,
      reported: nothing,
    };
  };
}

function soonest(candidates: readonly SimCandidate[], now: number): { node: number; etaMs: number } {
  let best = { node: 0, etaMs: Infinity };
  for (const candidate of candidates) {
    const etaMs = expectedMs(candidate, { now });
    if (etaMs < best.etaMs) best = { node: candidate.index, etaMs };
  }
  return best;
}

/** Random by capacity: what a weighted round robin comes to. */
export const weightedRandom = (): PolicyOf => (world, random) => {
  const draw = drawByCapacity(world, random);
  return {
    choose({ asked }) {
      for (let node = draw(); ; node = draw()) if (!asked.includes(node)) return { node, etaMs: 0 };
    },
    sent: nothing,
    ranAt: nothing,
    answered: nothing,
    failed: nothing,
    abandoned: nothing,
    reported: nothing,
  };
};

/** The one of two drawn by capacity that has fewer of our own requests for its capacity. */
export const twoChoices = (): PolicyOf => (world, random) => {
  const draw = drawByCapacity(world, random);
  const inFlight = new Float64Array(world.nodes.length);
  const capacity = world.nodes.map(({ slots, meanMs }) => slots / meanMs);
  const depth = (node: number): number => (inFlight[node] ?? 0) / (capacity[node] ?? 1);
  const left = (node: number): void => void (inFlight[node] = (inFlight[node] ?? 0) - 1);
  return {
    choose({ asked }) {
      let [one, other] = [draw(), draw()];
      while (asked.includes(one)) one = draw();
      while (asked.includes(other) || other === one) other = draw();
      return { node: depth(one) <= depth(other) ? one : other, etaMs: 0 };
    },
    sent: (node) => void (inFlight[node] = (inFlight[node] ?? 0) + 1),
    ranAt: nothing,
    answered: left,
    failed: left,
    abandoned: left,
    reported: nothing,
  };
};

function drawByCapacity({ nodes }: World, random: Random): () => number {
  const upTo: number[] = [];
  let sum = 0;
  for (const { slots, meanMs } of nodes) upTo.push((sum += slots / meanMs));
  return () => {
    const value = random.next() * sum;
    return upTo.findIndex((end) => value < end);
  };
}
