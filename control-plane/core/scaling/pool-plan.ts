import { isWanted, placementsOfDeployment, placementsOn, versionOf } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode } from "../fleet/types.ts";
import { targetVersion } from "../fleet/versions/versions.ts";
import { candidatesOf, type Candidate } from "../scheduling/candidates/candidate.ts";
import { stateFor, type PlanContext } from "../scheduling/context.ts";
import { counted } from "../scheduling/format.ts";
import { memoryNeedMiB } from "../scheduling/needs/memory.ts";
import { podsNeeded, type Bin, type PackedItem } from "./packing.ts";
import { isPoolFor, isPresent, troubleOf, type ObservedPod, type Pool } from "./pool.ts";

/** Share of a pod's memory that models may use, as of any node's. */
const MODELS_SHARE = 0.9;

export type PoolStep =
  /** `remove`: the pods that go first. */
  | {
      readonly kind: "scale";
      readonly from: number;
      readonly to: number;
      readonly remove: readonly string[];
      readonly why: string;
    }
  /** The node's replicas move elsewhere; its pod goes when it is empty. */
  | { readonly kind: "drain"; readonly node: FleetNode; readonly why: string }
  /** It was drained for nothing: it is needed after all. */
  | { readonly kind: "undrain"; readonly node: FleetNode; readonly why: string };

export interface PoolPlan {
  readonly pool: Pool;
  /** Pods that replicas and their load need, within what the pool may have. */
  readonly wanted: number;
  readonly steps: readonly PoolStep[];
}

export interface PoolContext extends PlanContext {
  /** The most requests of a deployment that had to be executed at once within the last `scaleDownMs`. */
  readonly workersOf: (deployment: string) => number;
  /** Ids of nodes that were drained to be removed, and not by an operator. */
  readonly drainedHere: ReadonlySet<string>;
  /** How long what was asked for is kept; for as long a new leader, which does not know it, gives nothing up. */
  readonly scaleDownMs: number;
}

/** What a pool has to hold. */
interface Share {
  readonly pool: Pool;
  readonly items: PackedItem[];
  /** Those of `items` that no node holds yet. */
  readonly missing: PackedItem[];
  workers: number;
}

/**
 * How many pods each pool needs and the next steps there. Grows at once: pods for replicas that have no room, and for the
 * load of those that have. Shrinks in steps: the emptiest node is drained, and its pod goes when nothing is left on it.
 * Several pools are filled in their order; one that cannot grow gives way to those that can.
 */
export function planPools(fleet: Fleet, pools: readonly Pool[], context: PoolContext): readonly PoolPlan[] {
  const found = candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: context.now });
  const candidates = new Map(found.map((candidate) => [candidate.node.id as string, candidate]));
  const nodes = new Map([...fleet.nodes.values()].map((node) => [node.name, node]));
  const poolOf = new Map(pools.flatMap((pool) => pool.pods.map(({ name }) => [nodes.get(name)?.id, pool] as const)));
  const shares = pools.map((pool): Share => ({ pool, items: [], missing: [], workers: 0 }));
  for (const deployment of [...fleet.deployments.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    divideReplicas(fleet, deployment, { shares, poolOf, candidates, context });
  return shares.map((share) => planPool(fleet, share, { nodes, candidates, context }));
}

/** Divides the cloud replicas of a deployment among the pools, those beside the nodes that are in no pool. */
function divideReplicas(
  fleet: Fleet,
  deployment: FleetDeployment,
  {
    shares,
    poolOf,
    candidates,
    context,
  }: {
    readonly shares: readonly Share[];
    readonly poolOf: ReadonlyMap<string | undefined, Pool>;
    readonly candidates: ReadonlyMap<string, Candidate>;
    readonly context: PoolContext;
  },
): void {
  const wanted = deployment.status?.findings.cloud.wanted ?? 0;
  const target = targetVersion(fleet, deployment);
  const version = target === undefined ? undefined : versionOf(fleet, deployment.spec.model, target);
  if (wanted === 0 || version?.state !== "ready") return;
  const memMiB = memoryNeedMiB(version, deployment);
  const present = placementsOfDeployment(fleet, deployment.name).filter(({ nodeId, ...placement }) => {
    const candidate = candidates.get(nodeId);
    const stays = candidate?.node.kind === "cloud" && candidate.state !== "revoked" && candidate.state !== "lost";
    return stays && !candidate.node.draining && isWanted({ nodeId, ...placement }) && placement.version === target;
  });
  const inPool = (pool: Pool | undefined): number => present.filter(({ nodeId }) => poolOf.get(nodeId) === pool).length;
  let missing = Math.max(0, wanted - present.length);
  let held = wanted - Math.min(wanted, inPool(undefined)) - missing;
  const workers = context.workersOf(deployment.name);
  const parts = shares
    .filter(({ pool }) => isPoolFor(pool, deployment))
    .map((share) => {
      const kept = Math.min(held, inPool(share.pool));
      held -= kept;
      return { share, kept, added: 0 };
    });
  const give = (roomIn: (pool: Pool) => number): void => {
    for (const part of parts) {
      const added = Math.max(0, Math.min(missing, roomIn(part.share.pool) - part.kept - part.added));
      part.added += added;
      missing -= added;
    }
  };
  give((pool) => (troubleOf(pool) === undefined ? pool.max : runningOf(pool)));
  // What no other pool can have stays with those in trouble: a pod that waits for a machine is what has an autoscaler of
  // machines bring one, and one that is given up is asked for again as soon as its trouble has gone with it.
  give(({ max }) => max);
  for (const { share, kept, added } of parts) {
    if (kept + added === 0) continue;
    share.items.push({ deployment: deployment.name, memMiB, count: kept + added });
    if (added > 0) share.missing.push({ deployment: deployment.name, memMiB, count: added });
    share.workers += Math.min(kept + added, (workers * (kept + added)) / wanted);
  }
}

const runningOf = ({ pods }: Pool): number => pods.filter(({ state }) => state === "running").length;

interface Spare {
  readonly pod: ObservedPod;
  /** Undefined until it has joined. */
  readonly node: FleetNode | undefined;
}

function planPool(
  fleet: Fleet,
  { pool, items, missing, workers }: Share,
  {
    nodes,
    candidates,
    context,
  }: {
    readonly nodes: ReadonlyMap<string, FleetNode>;
    readonly candidates: ReadonlyMap<string, Candidate>;
    readonly context: PoolContext;
  },
): PoolPlan {
  const { replicas, min, max } = pool;
  const there = pool.pods.filter(isPresent).map((pod): Spare => ({ pod, node: nodeOf(nodes.get(pod.name)) }));
  const leaving = there.filter(({ node }) => node?.draining === true);
  const spare = there.filter(({ node }) => node?.draining !== true);
  const unmade = Math.max(0, replicas - there.length);
  const podMiB = Math.max(...spare.map(({ node }) => usableOf(node, candidates)), (pool.memMiB ?? 0) * MODELS_SHARE);
  const bins = [
    ...spare.map(({ node }) => binOf(node, candidates, podMiB)),
    ...Array.from({ length: unmade }, (): Bin => ({ freeMiB: podMiB, deployments: new Set() })),
  ];
  const size = podMiB > 0 ? podMiB : Infinity;
  const more = podsNeeded(missing, bins, size);
  const ideal = podsNeeded(items, [], size);
  const forLoad = Math.ceil(workers / Math.max(1, pool.cpus ?? cpusOf(spare)));
  const here = spare.length + unmade;
  const packed = more > 0 ? here + more : Math.min(here, ideal);
  const wanted = Math.min(max, Math.max(min, packed, forLoad));
  const steps = stepsTo(fleet, { pool, wanted, spare, leaving, unmade, items }, context);
  return { pool, wanted, steps };
}

function stepsTo(
  fleet: Fleet,
  {
    pool: { replicas, max, min },
    wanted,
    spare,
    leaving,
    unmade,
    items,
  }: {
    readonly pool: Pool;
    readonly wanted: number;
    readonly spare: readonly Spare[];
    readonly leaving: readonly Spare[];
    readonly unmade: number;
    readonly items: readonly PackedItem[];
  },
  { drainedHere, scaleDownMs, now, leaderSince = -Infinity }: PoolContext,
): readonly PoolStep[] {
  const count = items.reduce((sum, item) => sum + item.count, 0);
  const why = `${counted(count, "replica")} of ${counted(items.length, "deployment")} ask for ${counted(wanted, "pod")}`;
  const reason = count === 0 ? `no replica asks for more than ${counted(min, "pod")}` : why;
  const empty = leaving.filter(({ node }) => node && placementsOn(fleet, node.id).length === 0);
  // The cluster has not removed yet what it was asked to, or is replacing pods and has made new ones first.
  const extra = Math.max(0, spare.length + leaving.length - replicas);
  const staying = spare.length - Math.max(0, extra - empty.length);
  const lacking = wanted - staying - unmade;
  if (lacking > 0) {
    // An empty one may have been given up already, and would go all the same.
    const kept = extra === 0 ? leaving : leaving.filter((each) => !empty.includes(each));
    const back = kept.flatMap(({ node }) => (node && mayReturn(node, drainedHere) ? [node] : [])).slice(0, lacking);
    if (back.length > 0) return back.map((node) => ({ kind: "undrain", node, why: reason }));
    const to = Math.min(max, replicas + lacking);
    if (to > replicas) return [{ kind: "scale", from: replicas, to, remove: [], why: reason }];
  }
  // Which pods the cluster still removes is not known: none is given up until it has.
  if (extra > 0) return [];
  const surplus = now - leaderSince < scaleDownMs ? 0 : Math.max(0, -lacking);
  // Not made yet, or no node yet: nothing is on them, so they go at once.
  const unborn = spare.filter(({ node }) => node === undefined).toSorted(youngestFirst);
  const dropped = unborn.slice(0, Math.max(0, surplus - unmade));
  const fewer = empty.length + dropped.length + Math.min(surplus, unmade);
  const scale: PoolStep[] =
    fewer === 0
      ? []
      : [
          {
            kind: "scale",
            from: replicas,
            to: replicas - fewer,
            remove: [...empty, ...dropped].map(({ pod }) => pod.name),
            why: reason,
          },
        ];
  const drained = spare
    .filter(({ node }) => node !== undefined)
    .toSorted((a, b) => heldBy(fleet, a) - heldBy(fleet, b) || youngestFirst(a, b))
    .slice(0, Math.max(0, surplus - unmade - dropped.length))
    .flatMap(({ node }) => (node ? [{ kind: "drain", node, why: reason } as const] : []));
  return [...scale, ...drained];
}

/** One that an operator cordoned or drained meanwhile takes no replica, and stays as the operator wants it. */
const mayReturn = (node: FleetNode, drainedHere: ReadonlySet<string>): boolean =>
  drainedHere.has(node.id) && !node.cordoned;

/** A node that is void is none: its pod will join anew. */
const nodeOf = (node: FleetNode | undefined): FleetNode | undefined => (node?.revoked === true ? undefined : node);

const heldBy = (fleet: Fleet, { node }: Spare): number => (node ? placementsOn(fleet, node.id).length : 0);

const youngestFirst = (a: Spare, b: Spare): number => b.pod.createdAt - a.pod.createdAt;

const usableOf = (node: FleetNode | undefined, candidates: ReadonlyMap<string, Candidate>): number =>
  candidates.get(node?.id ?? "")?.usableMiB ?? 0;

function binOf(node: FleetNode | undefined, candidates: ReadonlyMap<string, Candidate>, podMiB: number): Bin {
  const candidate = candidates.get(node?.id ?? "");
  if (!candidate) return { freeMiB: podMiB, deployments: new Set() };
  // A node that is lost comes back or is replaced by the cluster: until then nothing can be placed on it.
  if (candidate.node.cordoned || candidate.state === "lost") return { freeMiB: 0, deployments: new Set() };
  return {
    freeMiB: (candidate.usableMiB > 0 ? candidate.usableMiB : podMiB) - candidate.reservedMiB,
    deployments: new Set(candidate.placements.flatMap(({ deployment }) => deployment ?? [])),
  };
}

const cpusOf = (spare: readonly Spare[]): number =>
  Math.max(1, ...spare.map(({ node }) => node?.capabilities?.cpus ?? 1));
