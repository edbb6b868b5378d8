import type { PoolFindings } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { isEqual } from "../../core/fleet/changes/equal.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { poolFindings } from "../../core/scaling/pool-findings.ts";
import { planPools, type PoolPlan, type PoolStep } from "../../core/scaling/pool-plan.ts";
import { isPresent, siteTrouble, type Pool } from "../../core/scaling/pool.ts";
import { stateFor, type PlanContext } from "../../core/scheduling/context.ts";
import type { CloudPool, CloudPoolStore, PoolObservation } from "../../ports/cloud/cloud-pool.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { LeaderFence, PlanOutcome, PlanStore } from "../../ports/plan.ts";
import type { Leadership } from "../control-loop/leadership.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { ConfiguredPool, PoolSources } from "./pool-sources.ts";
import { PoolTroubles } from "./pool-troubles.ts";

/** A pool as it was observed, and what observed it: another one when it scales another Deployment now. */
interface Observed {
  readonly observation: PoolObservation;
  readonly by: CloudPool;
  readonly at: number;
}

const PERIOD_MS = 1_000;
/** A pool in which nothing moves is looked at so often, in ms. */
const QUIET_MS = 10_000;

interface Parts {
  readonly sources: Pick<PoolSources, "list">;
  readonly fleet: FleetCache;
  readonly leadership: Pick<Leadership, "current">;
  readonly plans: Pick<PlanStore, "setDraining">;
  readonly store: CloudPoolStore;
  /** The most requests of a deployment that had to be executed at once within the last `scaleDownMs`. */
  readonly workersOf: (deployment: string) => number;
  /** What is known of the pools has changed: deployments that wait for nodes may have another reason. */
  readonly onChange: () => void;
  readonly recordEvent: (event: NewEvent) => void;
  readonly scaleDownMs: number;
  readonly timings: NodeTimings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Makes pools of cloud nodes follow what deployments ask for; on the leader only. Each round, once a second:
 *
 *   observe   what the cluster says of each pool: each second while something moves, else every 10 s and before a step
 *   plan      how many pods, and the next step of each pool      (core/scaling/pool-plan.ts)
 *   execute   scale the pool, begin or end the drain of a node
 *   record    what was found, when it differs, for the API
 *
 * Everything follows from what is there: a leader that takes over goes on with a drain that another one has begun. While a
 * cluster does not answer, its pool stays as it is, and the other pools and the control loop go on.
 */
export class PoolLoop {
  readonly #parts: Parts;
  /** As they are declared in this round. */
  #pools: readonly ConfiguredPool[] = [];
  readonly #observed = new Map<string, Observed>();
  readonly #listeners = new Set<(name: string) => void>();
  readonly #outages = new Map<string, string>();
  /** Ids of nodes that this leader drains to remove them. */
  readonly #drainedHere = new Set<string>();
  readonly #troubles = new PoolTroubles();
  #moving: ReadonlySet<string> = new Set();
  #views: readonly Pool[] = [];
  #findings: readonly PoolFindings[] = [];
  #recorded: readonly PoolFindings[] | undefined;
  #leaderSince: number | undefined;
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(PERIOD_MS, () => {
      this.#round = this.#runOnce().finally(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
  }

  /** The pools as they were observed last; the same array while nothing of them changes. None on a replica that does not lead. */
  get views(): readonly Pool[] {
    return this.#views;
  }

  /** For the metrics: none on a replica that does not lead. */
  get findings(): readonly PoolFindings[] {
    return this.#findings;
  }

  /** Calls `changed` with the names of pools whose findings differ from what they were; returns what ends that. */
  onFindings(changed: (name: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  async #runOnce(): Promise<void> {
    const { leadership, fleet, logger } = this.#parts;
    const lead = leadership.current();
    if (lead?.since !== this.#leaderSince) this.#forget();
    this.#leaderSince = lead?.since;
    if (!lead || !fleet.isFresh) return;
    try {
      await this.#reconcile(lead);
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the cloud pools could not be reconciled; the next round tries again");
    }
  }

  #forget(): void {
    this.#observed.clear();
    this.#drainedHere.clear();
    this.#troubles.keep(new Set());
    this.#moving = new Set();
    this.#recorded = undefined;
    this.#setFindings([]);
    this.#setViews([]);
  }

  async #reconcile({ fence, since }: { readonly fence: LeaderFence; readonly since: number }): Promise<void> {
    this.#pools = await this.#parts.sources.list();
    this.#forgetOthers();
    const due = this.#pools.filter((pool) => this.#isDue(pool));
    await Promise.all(due.map((pool) => this.#observe(pool)));
    let plans = this.#plan(since);
    const unsure = this.#pools.filter(
      (pool) =>
        !due.includes(pool) && plans.some((plan) => plan.pool.name === pool.settings.name && plan.steps.length > 0),
    );
    if (unsure.length > 0) {
      await Promise.all(unsure.map((pool) => this.#observe(pool)));
      plans = this.#plan(since);
    }
    this.#moving = new Set(plans.filter(isMoving).map(({ pool }) => pool.name));
    for (const plan of plans) {
      for (const step of plan.steps) {
        const outcome = await this.#execute(plan, step, fence);
        if (outcome === "fenced") return;
      }
    }
    await this.#record(plans, { fence, since });
  }

  /** What is not declared any more, or scales something else now, is known no more. */
  #forgetOthers(): void {
    const present = new Map(this.#pools.map(({ settings, pool }) => [settings.name, pool]));
    for (const [name, { by }] of this.#observed) if (present.get(name) !== by) this.#observed.delete(name);
    for (const name of this.#outages.keys()) if (!present.has(name)) this.#outages.delete(name);
    this.#troubles.keep(new Set(present.keys()));
  }

  #isDue({ settings: { name } }: ConfiguredPool): boolean {
    const observed = this.#observed.get(name);
    const age = this.#parts.clock.now() - (observed?.at ?? -Infinity);
    return age >= (this.#moving.has(name) ? PERIOD_MS : QUIET_MS);
  }

  async #observe({ settings, pool }: ConfiguredPool): Promise<void> {
    const { clock, logger } = this.#parts;
    const { name } = settings;
    try {
      const observation = await pool.observe();
      this.#observed.set(name, { observation, by: pool, at: clock.now() });
      if (this.#outages.delete(name)) logger.info({ pool: name }, "the cloud pool can be looked at again");
    } catch (error) {
      const why = messageOf(error);
      if (!this.#outages.has(name))
        logger.warn({ pool: name, why }, "the cloud pool cannot be looked at; it stays as it is");
      this.#outages.set(name, why);
      this.#observed.delete(name);
    }
  }

  #plan(since: number): readonly PoolPlan[] {
    const { fleet, workersOf, scaleDownMs } = this.#parts;
    const snapshot = fleet.snapshot();
    for (const id of this.#drainedHere) if (snapshot.nodes.get(id)?.draining !== true) this.#drainedHere.delete(id);
    const observed = this.#pools.flatMap(({ settings }): readonly Pool[] => {
      const known = this.#observed.get(settings.name)?.observation;
      return known ? [{ ...settings, ...known, trouble: known.trouble ?? siteTrouble(settings, known) }] : [];
    });
    this.#setViews(observed);
    const known = { workersOf, drainedHere: this.#drainedHere, scaleDownMs };
    return planPools(snapshot, observed, { ...this.#context(since), ...known });
  }

  #context(leaderSince: number): PlanContext {
    return { now: this.#parts.clock.now(), timings: this.#parts.timings, trigger: "cloud-pool", leaderSince };
  }

  #setFindings(findings: readonly PoolFindings[]): void {
    const before = new Map(this.#findings.map((each) => [each.name, each]));
    this.#findings = findings;
    for (const each of findings)
      if (!isEqual(before.get(each.name), each)) for (const changed of this.#listeners) changed(each.name);
  }

  #setViews(views: readonly Pool[]): void {
    if (isEqual(this.#views, views)) return;
    this.#views = views;
    for (const pool of views) for (const event of this.#troubles.eventsOf(pool)) this.#parts.recordEvent(event);
    this.#parts.onChange();
  }

  async #execute({ pool }: PoolPlan, step: PoolStep, fence: LeaderFence): Promise<PlanOutcome> {
    const { plans, fleet, logger } = this.#parts;
    switch (step.kind) {
      case "scale":
        return this.#scale(pool, step);
      case "drain":
      case "undrain": {
        const draining = step.kind === "drain";
        const { id, name } = step.node;
        const outcome = await plans.setDraining(fence, { id, draining }, drainEvent(pool, step));
        if (outcome !== "committed") return outcome;
        if (draining) this.#drainedHere.add(id);
        logger.info({ pool: pool.name, node: name, why: step.why }, draining ? "draining a node" : "keeping a node");
        await fleet.refresh({ nodes: [id] });
        return outcome;
      }
    }
  }

  async #scale({ name }: Pool, step: Extract<PoolStep, { kind: "scale" }>): Promise<PlanOutcome> {
    const { recordEvent, logger } = this.#parts;
    const { from, to, remove, why } = step;
    const configured = this.#pools.find(({ settings }) => settings.name === name);
    if (!configured) return "stale";
    try {
      if (!(await configured.pool.scale({ from, to, remove }))) return "stale";
    } catch (error) {
      logger.warn({ pool: name, why: messageOf(error) }, "the cloud pool cannot be scaled now");
      return "stale";
    }
    const gone = remove.length === 0 ? "" : `, without ${remove.join(", ")}`;
    const message = `pods ${from} → ${to}${gone}: ${why}`;
    logger.info({ pool: name, from, to, remove, why }, "scaled the cloud pool");
    recordEvent({ type: "Normal", reason: to > from ? "ScaledUp" : "ScaledDown", object: `pool/${name}`, message });
    this.#moving = new Set([...this.#moving, name]);
    return "committed";
  }

  async #record(
    plans: readonly PoolPlan[],
    lead: { readonly fence: LeaderFence; readonly since: number },
  ): Promise<void> {
    const { fleet, store } = this.#parts;
    const context = this.#context(lead.since);
    const findings = this.#pools.map(({ settings }) => {
      const plan = plans.find(({ pool }) => pool.name === settings.name);
      if (plan) return poolFindings(fleet.snapshot(), plan, (node) => stateFor(node, context));
      // One that cannot be looked at is shown as it was, with the reason.
      const { name, min, max } = settings;
      const before = this.#findings.find((each) => each.name === name);
      const trouble = this.#outages.get(name) ?? null;
      return {
        ...(before ?? { wanted: min, replicas: 0, ready: 0, pending: 0, pods: [] }),
        name,
        min,
        max,
        trouble,
      };
    });
    this.#setFindings(findings);
    if (this.#recorded !== undefined && isEqual(this.#recorded, this.#findings)) return;
    const recorded = this.#findings;
    if ((await store.record(lead.fence, recorded)) === "committed") this.#recorded = recorded;
  }
}

/** Pods come or go, or are about to. */
const isMoving = ({ pool, wanted, steps }: PoolPlan): boolean =>
  steps.length > 0 ||
  wanted !== pool.replicas ||
  pool.pods.filter(isPresent).length !== pool.replicas ||
  pool.pods.some(isBetween);

/** A pod that has failed may be listed for days. */
const isBetween = ({ state }: Pool["pods"][number]): boolean => state === "pending" || state === "ending";

function drainEvent(pool: Pool, { kind, node, why }: Extract<PoolStep, { kind: "drain" | "undrain" }>): NewEvent {
  const object = `node/${node.name}`;
  return kind === "drain"
    ? { type: "Normal", reason: "NodeDrainStarted", object, message: `pool ${pool.name} removes ${node.name}: ${why}` }
    : { type: "Normal", reason: "NodeUncordoned", object, message: `pool ${pool.name} keeps ${node.name}: ${why}` };
}
