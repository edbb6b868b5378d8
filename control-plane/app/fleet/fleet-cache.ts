import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Random } from "../../../shared/base/random.ts";
import { fullJitter, type BackoffPolicy } from "../../../shared/flow/backoff.ts";
import { isEmptyChange, type ChangeSet } from "../../core/fleet/changes/change-set.ts";
import type { FleetEvent } from "../../core/fleet/events.ts";
import { unionOf, type FleetKeys } from "../../core/fleet/changes/fleet-keys.ts";
import { FleetState } from "../../core/fleet/fleet-state.ts";
import { reduce } from "../../core/fleet/reduce.ts";
import type { Fleet, FleetNode } from "../../core/fleet/types.ts";
import type { ChangeNotifier, FleetStore } from "../../ports/plan.ts";

/** How often it is read what other replicas recorded of their sessions, while they have any: one statement. */
const LIVENESS_MS = 5_000;
/** Between two reads of what notifications name: while a thousand nodes return there are hundreds in a second. */
const GATHER_MS = 100;
/** A connection for notifications that is renewed leads to a read, so this one covers faults alone. */
const RELOAD_MS = 5 * 60_000;
/** After a failed read: what a notification named then is shown to nobody before the next one. */
const RETRY: BackoffPolicy = { baseMs: 500, maxMs: LIVENESS_MS };

type ChangeListener = (change: ChangeSet, fleet: Fleet) => void;

/**
 * Owns the fleet in memory. Reads of Postgres what a notification says has changed, everything every 5 minutes, and every 5 s
 * the little that other replicas record of their open sessions; applies what the nodes of this replica say. One read at a time;
 * requests for a read during a read lead to exactly one more. While Postgres is away the last fleet stays and serves; a read
 * that failed is tried again after 0.5 s at most, at last every 5 s.
 */
export class FleetCache {
  readonly #replica: string;
  readonly #store: FleetStore;
  readonly #notifier: ChangeNotifier;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #state = new FleetState();
  readonly #listeners = new Set<ChangeListener>();
  #reading: Promise<void> | undefined;
  /** What is to be read next. */
  #asked: FleetKeys | "all" | undefined;
  /** After that, what other replicas recorded of their sessions. */
  #isLivenessAsked = false;
  /** What notifications named since the last read of that began. */
  #notified: FleetKeys | "all" | undefined;
  #notifiedReadAt = -Infinity;
  #cancelGathering: () => void = () => undefined;
  #loadedAt = -Infinity;
  #isLoaded = false;
  #isStopped = false;
  /** How many reads failed since one succeeded. */
  #failures = 0;
  #cancelPoll: () => void = () => undefined;

  constructor(ports: {
    replica: string;
    store: FleetStore;
    notifier: ChangeNotifier;
    clock: Clock;
    random: Random;
    logger: Logger;
  }) {
    this.#replica = ports.replica;
    this.#store = ports.store;
    this.#notifier = ports.notifier;
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#logger = ports.logger;
  }

  /** True once Postgres was read. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** True while the newest read of Postgres succeeded. */
  get isFresh(): boolean {
    return this.#isLoaded && this.#failures === 0;
  }

  /** The fleet as it is now: an immutable value, so a caller that awaits looks at the same fleet afterwards. */
  snapshot(): Fleet {
    return this.#state.snapshot();
  }

  now(): number {
    return this.#clock.now();
  }

  async start(): Promise<void> {
    await this.#notifier.listen((topic, keys) => {
      if (topic === "fleet") this.#onNotified(keys);
    });
    await this.refresh();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelPoll();
    this.#cancelGathering();
    await this.#notifier.stop();
    await this.#reading;
  }

  /** Calls `listener` with every change that plans, routes or desired documents may depend on. */
  onChange(listener: ChangeListener): void {
    this.#listeners.add(listener);
  }

  apply(event: FleetEvent): void {
    const change = reduce(this.#state, event);
    if (isEmptyChange(change)) return;
    for (const listener of this.#listeners) listener(change, this.snapshot());
  }

  /**
   * Reads Postgres again: what `keys` name, or everything. Resolves when a read that began after the call has ended, well
   * or badly.
   */
  refresh(keys?: FleetKeys): Promise<void> {
    const named = this.#takeNotified();
    this.#asked = this.isFresh ? withKeys(this.#asked, keys) : "all";
    if (named) this.#asked = withKeys(this.#asked, named === "all" ? undefined : named);
    this.#reading ??= this.#readWhileAsked();
    return this.#reading;
  }

  /** The first notification is read at once, those of the next 100 ms together. */
  #onNotified(keys: FleetKeys | undefined): void {
    const isGathering = this.#notified !== undefined;
    this.#notified = withKeys(this.#notified, keys);
    if (isGathering) return;
    const waitMs = this.#notifiedReadAt + GATHER_MS - this.#clock.now();
    if (waitMs <= 0) return this.#readNotified();
    this.#cancelGathering = this.#clock.after(waitMs, () => this.#readNotified());
  }

  #readNotified(): void {
    this.#notifiedReadAt = this.#clock.now();
    const named = this.#takeNotified();
    void this.refresh(named === "all" ? undefined : named);
  }

  #takeNotified(): FleetKeys | "all" | undefined {
    const named = this.#notified;
    this.#notified = undefined;
    this.#cancelGathering();
    return named;
  }

  async #readWhileAsked(): Promise<void> {
    await Promise.resolve(); // so that it never ends before `#reading` holds it
    while ((this.#asked || this.#isLivenessAsked) && !this.#isStopped) {
      if (!this.#asked) {
        await this.#readLiveness();
        continue;
      }
      const keys = this.#asked === "all" ? undefined : this.#asked;
      this.#asked = undefined;
      const now = this.#clock.now();
      await this.#read(async () => {
        const rows = await this.#store.load(now, keys);
        if (!keys) this.#loadedAt = now;
        this.#isLoaded = true;
        return { type: "rows-loaded", rows, keys };
      });
    }
    // In the same turn as the last look at `#asked`: who asks from now on begins another read.
    this.#reading = undefined;
    this.#schedulePoll();
  }

  #poll(): void {
    const now = this.#clock.now();
    if (this.#reading || this.#failures > 0 || now - this.#loadedAt >= RELOAD_MS) return void this.refresh();
    if (!this.#state.nodes.values().some(isOfAnotherReplica)) return this.#schedulePoll();
    this.#isLivenessAsked = true;
    this.#reading = this.#readWhileAsked();
  }

  /** Not beside another read: of two the one that began first may end last, and would put back what the other one found. */
  async #readLiveness(): Promise<void> {
    this.#isLivenessAsked = false;
    const now = this.#clock.now();
    await this.#read(async () => ({
      type: "liveness-loaded",
      sessions: await this.#store.liveness(this.#replica, now),
    }));
  }

  async #read(work: () => Promise<FleetEvent>): Promise<void> {
    try {
      const event = await work();
      if (this.#failures > 0) this.#logger.info({}, "PostgreSQL answers again");
      this.#failures = 0;
      this.apply(event);
    } catch (error) {
      if (this.#failures === 0)
        this.#logger.error(
          { error: messageOf(error) },
          "PostgreSQL cannot be read; serving goes on with the last known fleet",
        );
      this.#failures += 1;
    }
  }

  #schedulePoll(): void {
    this.#cancelPoll();
    if (this.#isStopped) return;
    const waitMs = this.#failures === 0 ? LIVENESS_MS : fullJitter(RETRY, this.#failures - 1, this.#random);
    this.#cancelPoll = this.#clock.after(waitMs, () => this.#poll());
  }
}

/** Another replica holds its open session, so that one's records say how the node is. */
const isOfAnotherReplica = ({ session, observed }: FleetNode): boolean => session?.open === true && !observed;

const withKeys = (asked: FleetKeys | "all" | undefined, keys: FleetKeys | undefined): FleetKeys | "all" =>
  !keys || asked === "all" ? "all" : unionOf([asked ?? {}, keys]);
