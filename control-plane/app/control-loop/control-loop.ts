import { toInstant } from "../../../shared/api/v1/common.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet, FleetDeployment } from "../../core/fleet/types.ts";
import { drainTransitions } from "../../core/fleet/drains.ts";
import { transitions } from "../../core/fleet/transitions.ts";
import { findingsOf, type Findings } from "../../core/reconcile/deployment-status.ts";
import { statusSteps } from "../../core/reconcile/status-steps.ts";
import { planFleet, type FleetPlan } from "../../core/reconcile/plan.ts";
import { Moves } from "../../core/reconcile/moves.ts";
import { basisOf, holds, type PlanBasis } from "../../core/reconcile/plan-basis.ts";
import { describePlan, inTransactions, keysOf, type Step } from "../../core/reconcile/steps.ts";
import type { Verdict } from "../../core/rollout/judged.ts";
import { isTurn, rolloutSteps } from "../../core/rollout/rollout-steps.ts";
import { stateFor, type PlanContext } from "../../core/scheduling/context.ts";
import type { Pool } from "../../core/scaling/pool.ts";
import { totalDemand, type DemandReport } from "../../core/scaling/demand.ts";
import { DemandOrigins } from "../../core/scaling/demand-origins.ts";
import { DemandForecast } from "../../core/scaling/demand-forecast.ts";
import { MeanRates } from "../../core/scaling/mean-rates.ts";
import { ReplicaScaling } from "../../core/scaling/replica-targets.ts";
import type { LeaderFence } from "../../ports/plan.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { Execute } from "./effects/effects.ts";
import type { Leadership } from "./leadership.ts";

/** Silence turns into loss, and a failure into a retry, without an event: so the loop also looks every second. */
const PERIOD_MS = 1_000;
/** Changes come in bursts (a reconnect storm, a batch of deployments): one plan serves them all. */
const SETTLE_MS = 20;
/**
 * Between two runs passes this many times as long as the first one took, `PERIOD_MS` at most. While a thousand nodes return
 * there is always a change, and a run after each 20 ms takes the processor that they wait for.
 */
const REST = 2;
type Gate = (
  fleet: Fleet,
  of: { readonly deployment: FleetDeployment; readonly phaseMs: number },
) => Verdict | undefined;

/** The trigger of a run that nothing asked for. */
const PERIODIC = "periodic";

/**
 * The leader's loop. One run is a pipeline:
 *
 *   observe      the fleet in memory, when this replica leads and its last read of Postgres succeeded
 *   targets      how many replicas the measured demand asks for                (core/scaling/replica-targets.ts)
 *   rollouts     which rollout goes a step on                                  (core/rollout/rollout-steps.ts)
 *   transitions  what nodes have become since it was announced last         (core/fleet/transitions.ts)
 *   drains       which have ended, or are past their deadlines                 (core/fleet/drains.ts)
 *   plan         from what is to what is declared                              (core/reconcile/plan.ts)
 *   moves        when nothing else is to be done: a replica to a better node   (core/reconcile/moves.ts)
 *   status       what the plan found of each deployment, where it differs      (core/reconcile/deployment-status.ts)
 *   steps        all of these as one list of values                            (core/reconcile/steps.ts)
 *   effects      each step by the table of its domain, fenced by the lease     (effects/)
 *
 * A run in which a rollout enters another phase writes that alone, and the next run follows at once: a plan is always one for a
 * rollout as it is recorded. A plan keeps what the one before decided of deployments in which nothing has changed (core/reconcile/kept-plans.ts), and
 * the status of these. Everything up to the steps is pure; only effects write. A run begins 20 ms after a trigger, or when the
 * loop has rested for twice as long as the run before took, and at least every second. It ends at `observe` when the plan before had no step and what it was made of still holds (core/reconcile/plan-basis.ts).
 * One run at a time: triggers during a run lead to exactly one more. A step that finds another leader ends the run and
 * the leadership. A step that fails ends the run; the next run plans from what is then.
 */
export class ControlLoop {
  readonly #fleet: FleetCache;
  readonly #leadership: Leadership;
  readonly #execute: Execute;
  readonly #demands: () => readonly DemandReport[];
  readonly #pools: () => readonly Pool[];
  readonly #gate: Gate;
  readonly #scaling: ReplicaScaling;
  readonly #rates = new MeanRates();
  readonly #forecast = new DemandForecast();
  readonly #origins = new DemandOrigins();
  #hops: PlanContext["hops"];
  readonly #moves = new Moves();
  readonly #timings: NodeTimings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isScheduled = false;
  /** Something asked for a run during the present one. */
  #isAsked = false;
  /** No run begins before, in ms of the clock. */
  #restsUntil = -Infinity;
  #trigger = "started";
  /** Of the newest plan, when it had no step. */
  #basis: PlanBasis | undefined;
  /** The newest plan: the next one keeps what it decided of deployments in which nothing has changed. */
  #last: { readonly plan: FleetPlan; readonly findings: Findings } | undefined;
  /** When the leadership began that the scaling remembers. */
  #leaderSince: number | undefined;
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(parts: {
    fleet: FleetCache;
    leadership: Leadership;
    execute: Execute;
    /** What callers ask of each control plane, now. */
    demands: () => readonly DemandReport[];
    /** The pools of cloud nodes as they are known. */
    pools: () => readonly Pool[];
    /** What the gate of a deployment's rollout finds, which has been in its phase for `phaseMs`; undefined: it measures nothing. */
    gate: Gate;
    /** How long the largest number of replicas is kept, in ms. */
    scaleDownMs: number;
    timings: NodeTimings;
    clock: Clock;
    logger: Logger;
  }) {
    this.#fleet = parts.fleet;
    this.#leadership = parts.leadership;
    this.#execute = parts.execute;
    this.#demands = parts.demands;
    this.#pools = parts.pools;
    this.#gate = parts.gate;
    this.#scaling = new ReplicaScaling(parts.scaleDownMs);
    this.#timings = parts.timings;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  start(): void {
    this.#fleet.onChange(() => this.trigger("fleet-changed"));
    this.trigger("started");
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  /** Asks for a run soon. `why` goes into the explain records of what it decides. */
  trigger(why: string): void {
    this.#trigger = why;
    if (this.#isRunning) this.#isAsked = true;
    else if (!this.#isScheduled) this.#scheduleSoon();
  }

  /** The most requests of a deployment that had to be executed at once within the last `scaleDownMs`. */
  workersOf(deployment: string): number {
    return this.#scaling.workersOf(deployment);
  }

  /** What requests for deployments lose between control planes; undefined: another replica leads, or no plan was made yet. */
  hops(): PlanContext["hops"] {
    return this.#hops;
  }

  #scheduleSoon(): void {
    const restMs = this.#restsUntil - this.#clock.now();
    this.#schedule(Math.min(Math.max(SETTLE_MS, restMs), PERIOD_MS - 1));
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return;
    this.#cancel();
    this.#isScheduled = delayMs < PERIOD_MS;
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#isScheduled = false;
      this.#isRunning = true;
      this.#running = this.#runOnce();
    });
  }

  async #runOnce(): Promise<void> {
    const trigger = this.#trigger;
    this.#trigger = PERIODIC;
    const beganAt = this.#clock.now();
    try {
      await this.#reconcile(trigger);
    } catch (error) {
      this.#logger.warn({ error: messageOf(error) }, "a plan could not be executed; the next run plans again");
    }
    const endedAt = this.#clock.now();
    this.#restsUntil = endedAt + REST * (endedAt - beganAt);
    this.#isRunning = false;
    if (this.#isAsked) this.#scheduleSoon();
    else this.#schedule(PERIOD_MS);
    this.#isAsked = false;
  }

  async #reconcile(trigger: string): Promise<void> {
    const lead = this.#leadership.current();
    if (lead?.since !== this.#leaderSince) {
      this.#scaling.reset();
      this.#moves.reset();
      this.#rates.reset();
      this.#forecast.reset();
      this.#origins.reset();
      this.#hops = undefined;
    }
    this.#leaderSince = lead?.since;
    if (!lead || !this.#fleet.isFresh) return;
    const fleet = this.#fleet.snapshot();
    const time = { now: this.#clock.now(), timings: this.#timings };
    const reports = this.#demands();
    const demands = totalDemand(reports);
    const wallNow = this.#clock.wallNow();
    const pools = this.#pools();
    const expected = this.#forecast.update(fleet, demands, { ...time, pools });
    const targets = this.#scaling.update(fleet, demands, { ...time, wallNow, expected });
    const ratesPerS = this.#rates.update(demands, time.now);
    this.#hops = this.#origins.update(reports, time.now);
    const context: PlanContext = {
      ...time,
      trigger,
      leaderSince: lead.since,
      targets,
      ratesPerS,
      hops: this.#hops,
      pools,
    };
    const rollouts = rolloutSteps(fleet, {
      ...context,
      at: toInstant(wallNow),
      verdictOf: (deployment, phaseMs) => this.#gate(fleet, { deployment, phaseMs }),
    });
    const turns = rollouts.filter(isTurn);
    if (turns.length > 0) {
      this.#basis = undefined;
      await this.#run(turns, lead.fence, trigger);
      return this.trigger(trigger);
    }
    if (this.#basis && rollouts.length === 0 && trigger === PERIODIC && holds(this.#basis, fleet, context)) return;
    this.#basis = undefined;

    const found = transitions(fleet, { stateOf: (node) => stateFor(node, context), lostMs: this.#timings.lostMs });
    const announce: readonly Step[] = found.length === 0 ? [] : [{ kind: "node.announce", transitions: found }];
    const drains = drainTransitions(fleet, time.now);
    const drained: readonly Step[] = drains.length === 0 ? [] : [{ kind: "node.announce-drains", drains }];
    const plan = planFleet(fleet, context, this.#last?.plan);
    const scalingOf = (deployment: string) => this.#scaling.memoryOf(deployment);
    const findings = findingsOf(fleet, plan, { ...context, known: this.#last?.findings, scalingOf });
    this.#last = { plan, findings };
    const statuses = statusSteps(fleet, findings, {
      reasonFor: (deployment) => this.#scaling.reasonFor(deployment),
      isThrashing: (deployment, kind) => this.#scaling.isThrashing(deployment, kind, wallNow),
    });
    const planned: readonly Step[] = [...announce, ...drained, ...rollouts, ...plan.steps, ...statuses];
    const move = planned.length === 0 ? this.#moves.next(fleet, plan, { ...context, demands }) : undefined;
    const steps = move ? [move] : planned;
    if (steps.length > 0) await this.#run(steps, lead.fence, trigger);
    else this.#basis = basisOf(fleet, plan, context);
  }

  /** Executes the steps, until one finds another leader, and reads what they changed. */
  async #run(steps: readonly Step[], fence: LeaderFence, trigger: string): Promise<void> {
    this.#logger.info({ steps: describePlan(steps), trigger }, "plan");
    for (const together of inTransactions(steps)) {
      if ((await this.#execute(together, fence)) === "fenced") return this.#leadership.lost();
    }
    await this.#fleet.refresh(keysOf(steps));
  }
}
