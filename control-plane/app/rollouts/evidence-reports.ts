import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import { addEvidence, NO_REQUESTS, type RequestEvidence } from "../../core/rollout/gate/evidence.ts";
import { isSameWave, type Wave } from "../../core/rollout/gate/measured.ts";
import type { RolloutEvidenceStore, WaveEvidence } from "../../ports/rollout-evidence.ts";
import type { EvidenceMeter } from "./evidence-meter.ts";

/** What changed is written this often at most, and read this often while a wave is measured, in ms. */
const REPORT_MS = 2_000;

interface Parts {
  readonly replica: string;
  readonly store: RolloutEvidenceStore;
  readonly meter: EvidenceMeter;
  /** The present waves of rollouts whose new version answers requests. */
  readonly waves: () => readonly Wave[];
  readonly isLeading: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Read {
  readonly wave: Wave;
  readonly counted: readonly WaveEvidence[];
}

/**
 * Brings what every control plane counts of a rollout to the leader: each writes its own counts when they changed, the leader
 * reads those of the others. While no rollout is measured nothing is read or written. A control plane that ends loses the
 * counts of its last 2 s; what it wrote before stays, and the wave waits for as many requests more.
 */
export class EvidenceReports {
  readonly #parts: Parts;
  /** By deployment. */
  readonly #read = new Map<string, Read>();
  /** By deployment. */
  readonly #written = new Map<string, { readonly wave: Wave; readonly revision: number }>();
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

  /**
   * What all control planes counted of a wave. Undefined until this one, which leads, has read what the others wrote: a part
   * of the counts must not decide.
   */
  of(wave: Wave): Readonly<Record<"old" | "new", RequestEvidence>> | undefined {
    const read = this.#read.get(wave.deployment);
    if (!read || !isSameWave(read.wave, wave)) return undefined;
    const own = this.#parts.meter.of(wave)?.counted;
    const all = own ? [own, ...read.counted] : read.counted;
    return {
      old: all.map((each) => each.old).reduce(addEvidence, NO_REQUESTS),
      new: all.map((each) => each.new).reduce(addEvidence, NO_REQUESTS),
    };
  }

  async #look(): Promise<void> {
    if (this.#isBusy || this.#isStopped) return;
    this.#isBusy = true;
    try {
      const waves = this.#parts.waves();
      this.#parts.meter.keepOnly(waves);
      for (const kept of [this.#read, this.#written])
        for (const name of kept.keys()) if (waves.every(({ deployment }) => deployment !== name)) kept.delete(name);
      await this.#write(waves);
      if (this.#parts.isLeading()) await this.#readOthers(waves);
      else this.#read.clear();
      this.#outage = undefined;
    } catch (error) {
      const why = messageOf(error);
      if (why !== this.#outage)
        this.#parts.logger.warn({ why }, "the counts of rollouts cannot be exchanged between control planes now");
      this.#outage = why;
    } finally {
      this.#isBusy = false;
    }
  }

  async #write(waves: readonly Wave[]): Promise<void> {
    const { store, replica, meter } = this.#parts;
    const changed = waves.flatMap((wave) => {
      const own = meter.of(wave);
      const written = this.#written.get(wave.deployment);
      const isWritten = written && isSameWave(written.wave, wave) && written.revision === own?.revision;
      return own === undefined || isWritten ? [] : [own];
    });
    if (changed.length === 0) return;
    await store.report(
      replica,
      changed.map(({ counted }) => counted),
    );
    for (const { counted, revision } of changed) this.#written.set(counted.deployment, { wave: counted, revision });
  }

  async #readOthers(waves: readonly Wave[]): Promise<void> {
    if (waves.length === 0) return;
    const { store, replica } = this.#parts;
    const found = await store.ofOthers(replica, waves);
    for (const wave of waves) {
      const counted = found.filter((each) => isSameWave(each, wave));
      this.#read.set(wave.deployment, { wave, counted });
    }
  }
}
