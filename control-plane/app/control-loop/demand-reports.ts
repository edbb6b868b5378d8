import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import { isEqual } from "../../core/fleet/changes/equal.ts";
import { roundedDemand, sumOfDemands, type Demand } from "../../core/scaling/demand.ts";
import type { Demands, DemandStore } from "../../ports/demand.ts";

/** What changed is written this often at most, in ms. */
const REPORT_MS = 2_000;
/** While others have demand the leader reads it again, since a replica that died reports no end of it. */
const READ_AGAIN_MS = 5_000;

interface Parts {
  readonly replica: string;
  readonly store: DemandStore;
  /** What is measured here, now. */
  readonly measured: () => Demands;
  readonly isLeading: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Brings the demand that every replica measures to the leader. The leader takes its own from memory and reads that of others
 * when they say that it changed; the others write theirs when it changes, rounded to two digits. While no requests come
 * nothing is read or written, and a request causes no statement.
 */
export class DemandReports {
  readonly #parts: Parts;
  #others: readonly Demands[] = [];
  #written: Demands = new Map();
  #writtenAt = -Infinity;
  #isStale = true;
  #readAt = -Infinity;
  #isBusy = false;
  #isStopped = false;
  #outage: string | undefined;
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(REPORT_MS, () => {
      this.start();
      void this.#look();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /** The demand on all replicas together. */
  total(): Demands {
    const all = [this.#parts.measured(), ...this.#others];
    const names = new Set(all.flatMap((demands) => [...demands.keys()]));
    return new Map([...names].map((name) => [name, sumOfDemands(all.flatMap((demands) => demands.get(name) ?? []))]));
  }

  /** Another replica reported something, or this one leads now: what others measured is read soon. */
  changed(): void {
    this.#isStale = true;
    void this.#look();
  }

  /** A request waits for the first replica: a report goes to the leader at once, or 2 s after the last one. */
  urgent(): void {
    if (this.#parts.clock.now() - this.#writtenAt >= REPORT_MS) void this.#look();
  }

  async #look(): Promise<void> {
    if (this.#isBusy || this.#isStopped) return;
    this.#isBusy = true;
    try {
      if (this.#parts.isLeading()) await this.#read();
      else await this.#write();
      this.#outage = undefined;
    } catch (error) {
      const why = messageOf(error);
      if (why !== this.#outage)
        this.#parts.logger.warn({ why }, "the demand of control planes cannot be exchanged now");
      this.#outage = why;
    } finally {
      this.#isBusy = false;
    }
  }

  async #read(): Promise<void> {
    const { store, replica, clock } = this.#parts;
    const isOld = this.#others.length > 0 && clock.now() - this.#readAt >= READ_AGAIN_MS;
    if (!this.#isStale && !isOld) return;
    this.#isStale = false;
    this.#readAt = clock.now();
    try {
      this.#others = await store.ofOthers(replica);
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
  }

  async #write(): Promise<void> {
    const { store, replica, measured, clock } = this.#parts;
    this.#others = [];
    this.#isStale = true;
    const now = new Map<string, Demand>([...measured()].map(([name, demand]) => [name, roundedDemand(demand)]));
    if (isEqual(Object.fromEntries(now), Object.fromEntries(this.#written))) return;
    this.#writtenAt = clock.now();
    await store.report(replica, now);
    this.#written = now;
  }
}
