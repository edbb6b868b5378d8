import type { Clock } from "../../shared/clock.ts";
import type { ArtifactDisk, ControlLink, SystemProbe } from "../ports.ts";
import type { Serving } from "./serving.ts";

/** The first report follows the first heartbeat, so that a plan made the moment the node is ready knows its round trip. */
const FIRST_MS = 300;
/** The free space of the disk is asked for at most this often. */
const DISK_MS = 5_000;

interface Parts {
  readonly link: ControlLink;
  readonly clock: Clock;
  readonly probe: SystemProbe;
  readonly disk: ArtifactDisk;
  readonly serving: Serving;
  readonly isServing: () => boolean;
  readonly rttMs: () => number;
}

/** Tells how busy the node is: each `loadMs` while it serves, else each `heartbeatMs`. */
export class LoadReports {
  readonly #parts: Parts;
  #cancel: () => void = () => undefined;
  #diskFreeMiB = 0;
  #diskAskedAt = -Infinity;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#askDisk();
    this.#next(FIRST_MS);
  }

  stop(): void {
    this.#cancel();
  }

  #next(delayMs: number): void {
    const { link, clock, isServing } = this.#parts;
    this.#cancel = clock.after(delayMs, () => {
      this.#report();
      this.#next(isServing() ? link.welcome.loadMs : link.welcome.heartbeatMs);
    });
  }

  #report(): void {
    const { link, probe, serving, rttMs } = this.#parts;
    const { rif, placements } = serving.load();
    link.send({
      type: "load",
      cpuPct: Math.round(probe.cpuPct()),
      memFreeMiB: Math.max(0, Math.round(probe.memFreeMiB())),
      diskFreeMiB: this.#diskFreeMiB,
      rttMs: rttMs(),
      rif,
      placements: [...placements],
    });
    this.#askDisk();
  }

  /** In the background: a slow disk must not hold back the report. */
  #askDisk(): void {
    const { clock, disk } = this.#parts;
    if (clock.now() - this.#diskAskedAt < DISK_MS) return;
    this.#diskAskedAt = clock.now();
    void disk.freeMiB().then(
      (free) => (this.#diskFreeMiB = Math.max(0, Math.floor(free))),
      () => undefined, // the last figure stands
    );
  }
}
