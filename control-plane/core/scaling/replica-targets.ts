import { msOfInstant, toInstant } from "../../../shared/api/v1/common.ts";
import type { DeploymentFindings } from "../../../shared/api/v1/deployments/deployments.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { nodeKind, type NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import { isEqual } from "../fleet/changes/equal.ts";
import type { NodeTimings } from "../fleet/node-status.ts";
import { isServing, placementsOfDeployment } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../fleet/types.ts";
import { counted, formatDuration } from "../scheduling/format.ts";
import { demandWords, NO_DEMAND, rateWords, roundedDemand, type Demand, type Expected } from "./demand.ts";
import { PeakHold } from "./peak-hold.ts";
import { replicasFor, workersFor } from "./staffing.ts";
import { ThrashGuard, type GuardMemory } from "./thrash-guard.ts";

/** What demand asks of one deployment whose replicas follow it. */
export interface ReplicaTarget {
  readonly edge: number;
  readonly cloud: number;
}

/** By the name of the deployment. Deployments with a fixed number of replicas are not in it. */
export type ReplicaTargets = ReadonlyMap<string, ReplicaTarget>;

type Placement = DeploymentSpec["placement"];

/** Whether the number of replicas of this kind follows demand. */
export const followsDemand = ({ residency, ...counts }: Placement, kind: NodeKind): boolean =>
  (residency === "any" || residency === `${kind}-only`) && !counts[kind].every && counts[kind].max !== undefined;

/** Whether demand can give the deployment a replica. */
export const canGrow = ({ placement, paused }: DeploymentSpec): boolean =>
  paused !== true && nodeKind.options.some((kind) => followsDemand(placement, kind) && (placement[kind].max ?? 0) > 0);

/** `count` within what the deployment allows of this kind. */
export const withinRange = (count: number, { min, max = min }: Placement[NodeKind]): number =>
  Math.min(Math.max(count, min), Math.max(min, max));

interface Holds {
  readonly edge: PeakHold;
  readonly cloud: PeakHold;
  readonly guards: Readonly<Record<NodeKind, ThrashGuard>>;
}

/**
 * Turns measured demand into numbers of replicas: up at once, down to the largest number of the last while, and not down
 * again for 30 minutes where that was too early (`ThrashGuard`). Edge nodes take
 * what they may have, cloud nodes the rest; an edge replica that does not serve takes nothing. Remembers the past numbers
 * alone; a leader that has just begun takes the recorded numbers for its past, and what is recorded of when they fell and rose.
 */
export class ReplicaScaling {
  readonly #holdMs: number;
  readonly #holds = new Map<string, Holds>();
  /** Of all deployments, those with a fixed number of replicas too. */
  readonly #workerHolds = new Map<string, PeakHold>();
  #workers: ReadonlyMap<string, number> = new Map();
  #targets: ReplicaTargets = new Map();
  #demands: ReadonlyMap<string, Demand> = new Map();
  #expected: ReadonlyMap<string, Expected> = new Map();

  /** `holdMs`: how long a number is kept after the last demand for it. */
  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /**
   * The targets at `now`; the same object while they are the same. `expected`: what demand will be when a cloud node that is
   * asked for now is ready, of deployments of which it rises.
   */
  update(
    fleet: Fleet,
    demands: ReadonlyMap<string, Demand>,
    {
      expected = new Map(),
      ...time
    }: {
      readonly now: number;
      readonly wallNow: number;
      readonly timings: NodeTimings;
      readonly expected?: ReadonlyMap<string, Expected>;
    },
  ): ReplicaTargets {
    const targets = new Map<string, ReplicaTarget>();
    const demandFor = (name: string): Demand => expected.get(name)?.demand ?? demands.get(name) ?? NO_DEMAND;
    this.#holdWorkers(fleet, demandFor, time.now);
    for (const deployment of fleet.deployments.values()) {
      const { placement } = deployment.spec;
      if (!nodeKind.options.some((kind) => followsDemand(placement, kind))) continue;
      const wanted = replicasFor(demands.get(deployment.name) ?? NO_DEMAND);
      const later = replicasFor(demandFor(deployment.name));
      const holds = this.#holdsOf(deployment, time.now);
      const serving = servingOnEdge(fleet, deployment, time);
      // Without the minimum: when an operator raises and lowers that, nothing thrashes.
      const guarded = (kind: NodeKind, count: number): number => {
        const asked = Math.min(count, placement[kind].max ?? 0);
        return withinRange(holds.guards[kind].add(asked, time.wallNow), placement[kind]);
      };
      targets.set(deployment.name, {
        edge: guarded("edge", holds.edge.add(wanted, time.now)),
        cloud: guarded("cloud", holds.cloud.add(Math.max(0, later - serving), time.now)),
      });
    }
    for (const name of this.#holds.keys()) if (!targets.has(name)) this.#holds.delete(name);
    this.#demands = demands;
    this.#expected = expected;
    if (!isEqual(Object.fromEntries(targets), Object.fromEntries(this.#targets))) this.#targets = targets;
    return this.#targets;
  }

  /** Forgets the past: another replica leads, and when this one does again it is out of date. */
  reset(): void {
    this.#holds.clear();
    this.#workerHolds.clear();
    this.#workers = new Map();
    this.#targets = new Map();
    this.#demands = new Map();
    this.#expected = new Map();
  }

  /** `demand 37/s, service time 12 ms → 3 replicas`: what the demand of now asks for, and what it is expected to be. */
  reasonFor(deployment: string): string {
    const demand = this.#demands.get(deployment) ?? NO_DEMAND;
    const expected = this.#expected.get(deployment);
    const reason = `${demandWords(roundedDemand(demand))} → ${counted(replicasFor(demand), "replica")}`;
    if (!expected) return reason;
    const { demand: later, inMs } = expected;
    return `${reason}; it rises, to ${rateWords(roundedDemand(later))} when a new cloud node is ready in ${formatDuration(inMs)} → ${counted(replicasFor(later), "replica")}`;
  }

  /** Whether replicas of the deployment of this kind are kept at `wallNow` because their number fell too early. */
  isThrashing(deployment: string, kind: NodeKind, wallNow: number): boolean {
    return this.#holds.get(deployment)?.guards[kind].isHolding(wallNow) === true;
  }

  /** What has to be recorded of a deployment for the next leader; undefined: nothing. */
  memoryOf(deployment: string): DeploymentFindings["scaling"] {
    const guards = this.#holds.get(deployment)?.guards;
    const [edge, cloud] = [guards && recordOf(guards.edge.memory), guards && recordOf(guards.cloud.memory)];
    return edge === undefined && cloud === undefined ? undefined : { ...(edge && { edge }), ...(cloud && { cloud }) };
  }

  /** The most requests of the last while that had to be executed at once for the deployment; 0 without demand. */
  workersOf(deployment: string): number {
    return this.#workers.get(deployment) ?? 0;
  }

  #holdWorkers(fleet: Fleet, demandFor: (deployment: string) => Demand, now: number): void {
    const workers = new Map<string, number>();
    for (const name of fleet.deployments.keys()) {
      const asked = workersFor(demandFor(name));
      const hold = this.#workerHolds.get(name) ?? new PeakHold(this.#holdMs);
      const held = hold.add(asked, now);
      if (held === 0) continue;
      this.#workerHolds.set(name, hold);
      workers.set(name, held);
    }
    for (const name of this.#workerHolds.keys()) if (!workers.has(name)) this.#workerHolds.delete(name);
    this.#workers = workers;
  }

  #holdsOf(deployment: FleetDeployment, now: number): Holds {
    const { name, status } = deployment;
    let holds = this.#holds.get(name);
    if (!holds) {
      const guards = { edge: guardFrom(deployment, "edge"), cloud: guardFrom(deployment, "cloud") };
      holds = { edge: new PeakHold(this.#holdMs), cloud: new PeakHold(this.#holdMs), guards };
      holds.edge.add(status?.findings.edge.wanted ?? 0, now);
      holds.cloud.add(status?.findings.cloud.wanted ?? 0, now);
      this.#holds.set(name, holds);
    }
    return holds;
  }
}

type ScalingRecord = NonNullable<NonNullable<DeploymentFindings["scaling"]>[NodeKind]>;

function recordOf({ fellAt, keptUntil }: GuardMemory): ScalingRecord | undefined {
  if (fellAt === undefined) return undefined;
  return { fellAt: toInstant(fellAt), ...(keptUntil !== undefined && { keptUntil: toInstant(keptUntil) }) };
}

function guardFrom({ status, spec }: FleetDeployment, kind: NodeKind): ThrashGuard {
  const record = status?.findings.scaling?.[kind];
  if (!status || !record) return new ThrashGuard();
  const keptUntil = record.keptUntil === undefined ? undefined : msOfInstant(record.keptUntil);
  const { wanted } = status.findings[kind];
  // At the minimum it is not known what demand asked for.
  const last = wanted > spec.placement[kind].min ? wanted : undefined;
  return new ThrashGuard({ last, fellAt: msOfInstant(record.fellAt), keptUntil });
}

function servingOnEdge(
  fleet: Fleet,
  deployment: FleetDeployment,
  time: { readonly now: number; readonly timings: NodeTimings },
): number {
  return placementsOfDeployment(fleet, deployment.name).filter(
    (placement) => fleet.nodes.get(placement.nodeId)?.kind === "edge" && isServing(fleet, placement, time),
  ).length;
}
