import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { addCounted, NOTHING_COUNTED, type CountedEvidence } from "../../core/rollout/gate/evidence.ts";
import { isSameWave, type Wave } from "../../core/rollout/gate/measured.ts";
import type { RolloutEvidenceStore, WaveEvidence } from "../../ports/rollouts/rollout-evidence.ts";
import { ReportRounds } from "../control-loop/report-rounds.ts";
import type { EvidenceMeter } from "./evidence-meter.ts";

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
  readonly #rounds: ReportRounds;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rounds = new ReportRounds({
      ...parts,
      exchange: () => this.#exchange(),
      complaint: "the counts of rollouts cannot be exchanged between control planes now",
    });
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): void {
    this.#rounds.stop();
  }

  /**
   * What all control planes counted of a wave. Undefined until this one, which leads, has read what the others wrote: a part
   * of the counts must not decide.
   */
  of(wave: Wave): CountedEvidence | undefined {
    const read = this.#read.get(wave.deployment);
    if (!read || !isSameWave(read.wave, wave)) return undefined;
    const own = this.#parts.meter.of(wave)?.counted;
    const all = own ? [own, ...read.counted] : read.counted;
    return all.reduce<CountedEvidence>(addCounted, NOTHING_COUNTED);
  }

  async #exchange(): Promise<void> {
    const waves = this.#parts.waves();
    this.#parts.meter.keepOnly(waves);
    for (const kept of [this.#read, this.#written])
      for (const name of kept.keys()) if (waves.every(({ deployment }) => deployment !== name)) kept.delete(name);
    await this.#write(waves);
    if (this.#parts.isLeading()) await this.#readOthers(waves);
    else this.#read.clear();
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
