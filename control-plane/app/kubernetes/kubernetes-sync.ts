import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import type { ResourceController } from "./resource-controller.ts";

const LOOK_MS = 1_000;

interface Parts {
  /** Controllers that have not run yet: each term of leadership has its own. */
  readonly controllers: () => readonly ResourceController[];
  readonly isLeading: () => boolean;
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
    const { isLeading, controllers, clock, logger } = this.#parts;
    if (isLeading() && this.#running.length === 0) {
      this.#running = controllers();
      logger.info({}, "carrying out custom resources");
      for (const controller of this.#running) controller.start();
    } else if (!isLeading()) await this.#end();
    if (!this.#isStopped) this.#cancel = clock.after(LOOK_MS, () => this.start());
  }

  async #end(): Promise<void> {
    const running = this.#running;
    this.#running = [];
    await Promise.all(running.map((controller) => controller.stop()));
  }
}
