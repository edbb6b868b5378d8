import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { isEqual } from "../../core/fleet/changes/equal.ts";
import { calmHops } from "../../core/scaling/demand-origins.ts";
import { roundedDemand, type Demand, type DemandReport } from "../../core/scaling/demand.ts";
import type { Demands, DemandStore } from "../../ports/demand.ts";
import { REPORT_MS, ReportRounds } from "./report-rounds.ts";

/** While others have demand the leader reads it again, since a replica that died reports no end of it. */
const READ_AGAIN_MS = 5_000;

interface Parts {
  readonly replica: string;
  readonly store: DemandStore;
  /** What is measured here, now. */
  readonly measured: () => Demands;
  /** Round trips to the other replicas that this one is linked to, by their ids, in ms. */
  readonly hops: () => ReadonlyMap<string, number>;
  readonly isLeading: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Brings the demand that every replica measures to the leader. The leader takes its own from memory and reads that of others
 * when they say that it changed; the others write theirs when it changes, rounded to two digits, with how far they are from each
 * other. While no requests come nothing is read or written, and a request causes no statement.
 */
export class DemandReports {
  readonly #parts: Parts;
  #others: readonly DemandReport[] = [];
  #written: Omit<DemandReport, "replica"> = { demands: new Map(), hops: new Map() };
  #writtenAt = -Infinity;
  #isStale = true;
  #readAt = -Infinity;
  readonly #rounds: ReportRounds;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rounds = new ReportRounds({
      ...parts,
      exchange: () => (parts.isLeading() ? this.#read() : this.#write()),
      complaint: "the demand of control planes cannot be exchanged now",
    });
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): void {
    this.#rounds.stop();
  }

  /** What each replica measured; of the others what they reported. */
  all(): readonly DemandReport[] {
    const { replica, measured, hops } = this.#parts;
    return [{ replica, demands: measured(), hops: hops() }, ...this.#others];
  }

  /**
   * The same for who does not lead, which reads what the others reported for this one question. Throws `DATABASE_UNAVAILABLE`.
   */
  async ask(): Promise<readonly DemandReport[]> {
    const { store, replica, measured, hops } = this.#parts;
    const others = await store.ofOthers(replica);
    return [{ replica, demands: measured(), hops: hops() }, ...others];
  }

  /** Another replica reported something, or this one leads now: what others measured is read soon. */
  changed(): void {
    this.#isStale = true;
    void this.#rounds.now();
  }

  /** A request waits for the first replica: a report goes to the leader at once, or 2 s after the last one. */
  urgent(): void {
    if (this.#parts.clock.now() - this.#writtenAt >= REPORT_MS) void this.#rounds.now();
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
    const demands = new Map<string, Demand>([...measured()].map(([name, demand]) => [name, roundedDemand(demand)]));
    // Where nobody asks, the way to the others is nothing to know.
    const hops = demands.size === 0 ? this.#written.hops : calmHops(this.#written.hops, this.#parts.hops());
    const isSame = isEqual(Object.fromEntries(demands), Object.fromEntries(this.#written.demands));
    if (isSame && hops === this.#written.hops) return;
    this.#writtenAt = clock.now();
    await store.report({ replica, demands, hops });
    this.#written = { demands, hops };
  }
}
