import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { LeaderFence } from "../../ports/plan.ts";
import type { ResourceController } from "./resource-controller.ts";

const LOOK_MS = 1_000;

interface Parts {
  /** Controllers that have not run yet: each term of leadership has its own, and changes nothing without its lease. */
  readonly controllers: (lease: LeaderFence) => readonly ResourceController[];
  /** The lease, while this replica leads. */
  readonly lease: () => LeaderFence | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Carries out custom resources while this replica leads the control loop. PostgreSQL says who leads, so no Lease of Kubernetes
 * is needed: two leases could name two leaders, and only the one in PostgreSQL is compared in the transactions that count.
 */
export class KubernetesSync {
  readonly #parts: Parts;
  #running: readonly ResourceController[] = [];
  /** The lease that they run under. */
  #lease: LeaderFence | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#turn = this.#look();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#turn;
    await this.#end();
  }

  async #look(): Promise<void> {
    const { lease, controllers, clock, logger } = this.#parts;
    const now = lease();
    // A lease that was lost and won again between two looks is another one.
    if (this.#lease?.token !== now?.token) {
      await this.#end();
      if (now && !this.#isStopped) {
        this.#lease = now;
        this.#running = controllers(now);
        logger.info({}, "carrying out custom resources");
        for (const controller of this.#running) controller.start();
      }
    }
    if (!this.#isStopped) this.#cancel = clock.after(LOOK_MS, () => this.start());
  }

  async #end(): Promise<void> {
    const running = this.#running;
    this.#running = [];
    this.#lease = undefined;
    await Promise.all(running.map((controller) => controller.stop()));
  }
}
