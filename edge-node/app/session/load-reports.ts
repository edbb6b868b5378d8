import type { Clock } from "../../../shared/base/clock.ts";
import type { LoadFigures } from "../../../shared/protocol/load-change.ts";
import type { StreamReport } from "../../../shared/protocol/messages/load-report.ts";
import { isLoadReportDue } from "../../core/load-report-due.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { ControlChannel } from "../../ports/channels.ts";
import type { SystemProbe } from "../../ports/machine.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";

/** The free space of the disk is asked for at most this often. */
const DISK_MS = 5_000;
const DISK_PATIENCE_MS = 300;

interface Parts {
  readonly channel: ControlChannel;
  readonly clock: Clock;
  readonly probe: SystemProbe;
  readonly disk: Pick<ArtifactDisk, "freeMiB">;
  readonly serving: Pick<RequestExecutor, "load">;
  readonly isServing: () => boolean;
  readonly rttMs: () => number;
  /** Left out: the node runs none. */
  readonly streams?: (() => readonly StreamReport[]) | undefined;
}

/**
 * Reports how busy the node is: each `loadMs` while requests come. Of an idle node the figures are looked at each
 * `heartbeatMs` and reported when `isLoadReportDue`: reports that say the same cost the control plane as much as heartbeats.
 */
export class LoadReports {
  readonly #parts: Parts;
  #cancel: () => void = () => undefined;
  #isStopped = false;
  #diskFreeMiB = 0;
  #diskAskedAt = -Infinity;
  #reported: LoadFigures | undefined;
  #reportedAt = -Infinity;
  #reportedWork = -1;
  #reportedStreams = "";
  #lookedAt = -Infinity;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Resolves when the first report is on its way, with the free space of the disk in it unless that is slow to tell. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.clock.after(DISK_PATIENCE_MS, resolve);
      void this.#askDisk().then(() => {
        cancel();
        resolve();
      });
    });
    if (this.#isStopped) return;
    this.#report();
    this.#next();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #next(): void {
    const { channel, clock, isServing } = this.#parts;
    const { loadMs, heartbeatMs } = channel.welcome;
    this.#cancel = clock.after(isServing() ? loadMs : heartbeatMs, () => {
      if (this.#isBusy()) this.#report();
      // Half an interval early rather than one late: timers do not fire to the millisecond.
      else if (clock.now() - this.#lookedAt >= heartbeatMs - loadMs / 2) this.#look();
      this.#next();
    });
  }

  #look(): void {
    const { clock, channel } = this.#parts;
    const now = clock.now();
    this.#lookedAt = now;
    const ageMs = now - this.#reportedAt;
    if (wordsOf(this.#streams()) !== this.#reportedStreams) return this.#report();
    if (isLoadReportDue(this.#reported, this.#figures(), { ageMs, lookMs: channel.welcome.heartbeatMs }))
      return this.#report();
    this.#askDiskWhenDue();
  }

  /** Requests are here, or have been since the last report. */
  #isBusy(): boolean {
    const { rif, placements } = this.#parts.serving.load();
    return rif > 0 || workOf(placements) !== this.#reportedWork;
  }

  #figures(): LoadFigures {
    const { probe, rttMs } = this.#parts;
    return {
      cpuPct: Math.round(probe.cpuPct()),
      memFreeMiB: Math.max(0, Math.round(probe.memFreeMiB())),
      diskFreeMiB: this.#diskFreeMiB,
      rttMs: rttMs(),
    };
  }

  #report(): void {
    const { channel, clock, serving } = this.#parts;
    const { rif, placements } = serving.load();
    const figures = this.#figures();
    this.#reported = figures;
    this.#reportedAt = clock.now();
    this.#lookedAt = this.#reportedAt;
    this.#reportedWork = workOf(placements);
    const streams = this.#streams();
    this.#reportedStreams = wordsOf(streams);
    const ofStreams = streams.length > 0 && { streams: [...streams] };
    channel.send({ type: "load", ...figures, rif, placements: [...placements], ...ofStreams });
    this.#askDiskWhenDue();
  }

  #streams(): readonly StreamReport[] {
    return this.#parts.streams?.() ?? [];
  }

  /** In the background: a slow disk must not hold back a report. */
  #askDiskWhenDue(): void {
    if (this.#parts.clock.now() - this.#diskAskedAt >= DISK_MS) void this.#askDisk();
  }

  #askDisk(): Promise<unknown> {
    const { clock, disk } = this.#parts;
    this.#diskAskedAt = clock.now();
    return disk.freeMiB().then(
      (free) => (this.#diskFreeMiB = Math.max(0, Math.floor(free))),
      () => undefined, // the last figure stays
    );
  }
}

const wordsOf = (streams: readonly StreamReport[]): string => JSON.stringify(streams);

/** Differs when a request has ended since, or a placement has come, gone or got other slots. */
const workOf = (placements: ReturnType<RequestExecutor["load"]>["placements"]): number =>
  placements.reduce((sum, { done, failed, slots }) => sum + done + failed + slots + 1, 0);
