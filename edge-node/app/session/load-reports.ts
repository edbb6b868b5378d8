import type { Clock } from "../../../shared/base/clock.ts";
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
}

/**
 * Reports how busy the node is: each `loadMs` while requests come, else each `heartbeatMs`. An idle node has nothing new to
 * report in between, and a thousand of them cost the control plane more than all their heartbeats.
 */
export class LoadReports {
  readonly #parts: Parts;
  #cancel: () => void = () => undefined;
  #isStopped = false;
  #diskFreeMiB = 0;
  #diskAskedAt = -Infinity;
  #reportedAt = -Infinity;
  #reportedWork = -1;

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
      // Half an interval early rather than one late: timers do not fire to the millisecond.
      if (this.#isBusy() || clock.now() - this.#reportedAt >= heartbeatMs - loadMs / 2) this.#report();
      this.#next();
    });
  }

  /** Requests are here, or have been since the last report. */
  #isBusy(): boolean {
    const { rif, placements } = this.#parts.serving.load();
    return rif > 0 || workOf(placements) !== this.#reportedWork;
  }

  #report(): void {
    const { channel, clock, probe, serving, rttMs } = this.#parts;
    const { rif, placements } = serving.load();
    this.#reportedAt = clock.now();
    this.#reportedWork = workOf(placements);
    channel.send({
      type: "load",
      cpuPct: Math.round(probe.cpuPct()),
      memFreeMiB: Math.max(0, Math.round(probe.memFreeMiB())),
      diskFreeMiB: this.#diskFreeMiB,
      rttMs: rttMs(),
      rif,
      placements: [...placements],
    });
    // In the background: a slow disk must not hold back the report.
    if (clock.now() - this.#diskAskedAt >= DISK_MS) void this.#askDisk();
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

/** Differs when a request has ended since, or a placement has come or gone. */
const workOf = (placements: ReturnType<RequestExecutor["load"]>["placements"]): number =>
  placements.reduce((sum, { done, failed }) => sum + done + failed + 1, 0);
