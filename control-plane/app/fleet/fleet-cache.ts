import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { FleetEvent } from "../../core/fleet/events.ts";
import { emptyFleet, reduce } from "../../core/fleet/reduce.ts";
import type { Fleet } from "../../core/fleet/types.ts";
import type { ChangeNotifier, FleetStore } from "../../ports/plan.ts";

/** A doorbell may be lost while its connection is renewed: then this poll heals. */
const POLL_MS = 3_000;

/**
 * Owns the fleet in memory. Reads Postgres when the doorbell rings and every 3 s, and applies what nodes say. One read
 * at a time; rings during a read lead to exactly one more. While Postgres is away the last fleet stays and serves.
 */
export class FleetCache {
  readonly #store: FleetStore;
  readonly #doorbell: ChangeNotifier;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #fleet = emptyFleet();
  readonly #listeners = new Set<() => void>();
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #isLoaded = false;
  #isStopped = false;
  #lastReadFailed = false;
  #cancelPoll: () => void = () => undefined;

  constructor(ports: { store: FleetStore; doorbell: ChangeNotifier; clock: Clock; logger: Logger }) {
    this.#store = ports.store;
    this.#doorbell = ports.doorbell;
    this.#clock = ports.clock;
    this.#logger = ports.logger;
  }

  /** True once Postgres was read. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** True while the newest read of Postgres succeeded. */
  get isFresh(): boolean {
    return this.#isLoaded && !this.#lastReadFailed;
  }

  current(): Fleet {
    return this.#fleet;
  }

  now(): number {
    return this.#clock.now();
  }

  async start(): Promise<void> {
    await this.#doorbell.listen(() => void this.refresh());
    await this.refresh();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelPoll();
    await this.#doorbell.stop();
    await this.#reading;
  }

  /** Tells `listener` of every change that plans, routes or desired states may depend on. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  apply(event: FleetEvent): void {
    if (reduce(this.#fleet, event)) for (const listener of this.#listeners) listener();
  }

  /** Reads Postgres again. Resolves when a read that began after the call has ended, well or badly. */
  refresh(): Promise<void> {
    this.#readAgain = true;
    this.#reading ??= this.#readWhileAsked();
    return this.#reading;
  }

  async #readWhileAsked(): Promise<void> {
    await Promise.resolve(); // so that it never ends before `#reading` holds it
    while (this.#readAgain && !this.#isStopped) {
      this.#readAgain = false;
      try {
        const rows = await this.#store.load(this.#clock.now());
        if (this.#lastReadFailed) this.#logger.info({}, "PostgreSQL answers again");
        this.#lastReadFailed = false;
        this.#isLoaded = true;
        this.apply({ type: "rows-loaded", rows });
      } catch (error) {
        if (!this.#lastReadFailed)
          this.#logger.error(
            { error: messageOf(error) },
            "PostgreSQL cannot be read; serving goes on with the last known fleet",
          );
        this.#lastReadFailed = true;
      }
    }
    // In the same turn as the last look at `#readAgain`: whoever asks from now on begins a read of his own.
    this.#reading = undefined;
    this.#schedulePoll();
  }

  #schedulePoll(): void {
    this.#cancelPoll();
    if (!this.#isStopped) this.#cancelPoll = this.#clock.after(POLL_MS, () => void this.refresh());
  }
}
