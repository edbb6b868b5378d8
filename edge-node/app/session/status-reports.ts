import type { Clock } from "../../../shared/base/clock.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import type { ControlChannel } from "../../ports/channels.ts";

/** Progress of one download is reported at most this often. */
const PROGRESS_MS = 1_000;

type Channel = Pick<ControlChannel, "send" | "waitMs">;

interface Told {
  readonly state: PlacementReport["state"];
  readonly at: number;
}

/**
 * Tells the control plane what became of each placement, one after the other as the channel takes them. A report is a level: a
 * newer one takes the place of one that has not left yet. While nobody listens they wait, and the next `hello` repeats all.
 */
export class StatusReports {
  readonly #clock: Clock;
  readonly #pending = new Map<string, PlacementReport>();
  readonly #told = new Map<string, Told>();
  #channel: Channel | undefined;
  #isFlushing = false;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The placement's state, progress or generation changed. */
  changed(report: PlacementReport): void {
    this.#pending.set(report.placementId, report);
    this.#flushSoon();
  }

  /** `reports` travel in a `hello` that is on its way: what waits for them is told by it. */
  inHello(reports: readonly PlacementReport[]): void {
    this.#pending.clear();
    this.#told.clear();
    const at = this.#clock.now();
    for (const { placementId, state } of reports) this.#told.set(placementId, { state, at });
  }

  /** Reports go to `channel` until `disconnect`. */
  connect(channel: Channel): void {
    this.#channel = channel;
    this.#flushSoon();
  }

  disconnect(): void {
    this.#channel = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = Infinity;
  }

  /** After the present turn, so that what changes several times within it is told once. */
  #flushSoon(): void {
    if (this.#isFlushing || !this.#channel) return;
    this.#isFlushing = true;
    void Promise.resolve().then(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#channel) return;
    const now = this.#clock.now();
    for (const [placementId, report] of this.#pending) {
      const told = this.#told.get(placementId);
      if (report.state === "downloading" && told?.state === "downloading" && now - told.at < PROGRESS_MS) {
        this.#flushAt(told.at + PROGRESS_MS);
        continue;
      }
      const waitMs = this.#channel.waitMs();
      if (waitMs > 0) return this.#flushAt(now + waitMs);
      this.#pending.delete(placementId);
      if (report.state === "gone") this.#told.delete(placementId);
      else this.#told.set(placementId, { state: report.state, at: now });
      this.#channel.send({ type: "placement.status", ...report });
    }
  }

  #flushAt(at: number): void {
    if (at >= this.#timerAt) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    this.#cancelTimer = this.#clock.after(at - this.#clock.now(), () => {
      this.#cancelTimer = undefined;
      this.#timerAt = Infinity;
      this.#flush();
    });
  }
}
