import type { NodeState } from "../../../shared/api/v1/nodes.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { planFleet } from "../../core/reconcile/plan.ts";
import { describePlan } from "../../core/reconcile/steps.ts";
import { stateFor, type PlanContext } from "../../core/scheduling/context.ts";
import type { EventStore } from "../../ports/journal.ts";
import type { Executor } from "./executor.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { Leadership } from "./leadership.ts";

const PERIOD_MS = 1_000;
/** Changes come in bursts (a reconnect storm, a batch of deployments): one plan serves them all. */
const SETTLE_MS = 20;

/**
 * Snapshot → plan → steps → effects, on every change and every second (silence turns into loss without an event).
 * Only the leader acts. One run at a time; a trigger during a run leads to exactly one more.
 */
export class ControlLoop {
  readonly #fleet: FleetCache;
  readonly #leadership: Leadership;
  readonly #executor: Executor;
  readonly #events: EventStore;
  readonly #timings: NodeTimings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lastStates = new Map<string, NodeState>();
  #running: Promise<void> = Promise.resolve();
  #isScheduled = false;
  #trigger = "started";
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(parts: {
    fleet: FleetCache;
    leadership: Leadership;
    executor: Executor;
    events: EventStore;
    timings: NodeTimings;
    clock: Clock;
    logger: Logger;
  }) {
    this.#fleet = parts.fleet;
    this.#leadership = parts.leadership;
    this.#executor = parts.executor;
    this.#events = parts.events;
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
    if (!this.#isScheduled) this.#schedule(SETTLE_MS);
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return;
    this.#cancel();
    this.#isScheduled = delayMs < PERIOD_MS;
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#isScheduled = false;
      this.#running = this.#running.then(() => this.#runOnce());
    });
  }

  async #runOnce(): Promise<void> {
    const trigger = this.#trigger;
    this.#trigger = "periodic";
    try {
      await this.#planAndAct(trigger);
    } catch (error) {
      this.#logger.warn({ error: messageOf(error) }, "a plan could not be carried out; the next run plans anew");
    }
    if (!this.#isScheduled) this.#schedule(PERIOD_MS);
  }

  async #planAndAct(trigger: string): Promise<void> {
    const lead = this.#leadership.current();
    if (!lead || !this.#fleet.isFresh) return;
    const fleet = this.#fleet.current();
    const context: PlanContext = { now: this.#clock.now(), timings: this.#timings, trigger, leaderSince: lead.since };
    await this.#tellTransitions(context);
    const steps = planFleet(fleet, context);
    if (steps.length === 0) return;
    this.#logger.info({ steps: describePlan(steps), trigger }, "plan");
    for (const step of steps) {
      const outcome = await this.#executor.execute(step, lead.fence);
      if (outcome === "fenced") {
        this.#leadership.lost();
        return;
      }
    }
    await this.#fleet.refresh();
  }

  /** A node that fell silent causes no event by itself: the leader tells when it counts as lost, and when it is back. */
  async #tellTransitions(context: PlanContext): Promise<void> {
    for (const node of this.#fleet.current().nodes.values()) {
      const state = stateFor(node, context);
      const before = this.#lastStates.get(node.id);
      this.#lastStates.set(node.id, state);
      if (state === before) continue;
      if (state === "lost") {
        const seconds = Math.round(this.#timings.lostMs / 1_000);
        const message = `${node.name} has been silent for more than ${seconds} s: its placements may move`;
        await this.#events.append([{ type: "Warning", reason: "NodeLost", object: `node/${node.name}`, message }]);
      } else if (state === "ready" && before !== undefined) {
        await this.#events.append([
          { type: "Normal", reason: "NodeReady", object: `node/${node.name}`, message: `${node.name} is ready` },
        ]);
      }
    }
  }
}
