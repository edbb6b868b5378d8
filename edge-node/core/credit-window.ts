import { MAX_WINDOW_BYTES, MIN_WINDOW_BYTES } from "../../shared/protocol/limits.ts";

/** The window holds what arrives in this time, so that a slow link never has more than half a second under way. */
const WINDOW_S = 0.5;
/** A rate measured over less than this is noise. */
const MIN_SAMPLE_MS = 20;
/** Weight of the newest sample. */
const SMOOTHING = 0.5;

export const GRANT_MS = 1_000;

/** window = clamp(rate × 0.5 s, 64 KiB, 4 MiB); `rate` in bytes per second. */
export const windowFor = (rate: number): number =>
  Math.round(Math.min(MAX_WINDOW_BYTES, Math.max(MIN_WINDOW_BYTES, rate * WINDOW_S)));

/**
 * The receiver's half of the flow control: how many bytes are on the disk, and how many more may be under way. The
 * sender keeps sent − durable ≤ window; both figures are of one round.
 */
export class CreditWindow {
  #rate = 0;
  #window = MIN_WINDOW_BYTES;
  #durable = 0;
  #received = 0;
  #granted = 0;
  #sampleStart: number;
  #sampleBytes = 0;

  constructor(now: number) {
    this.#sampleStart = now;
  }

  get window(): number {
    return this.#window;
  }

  get durable(): number {
    return this.#durable;
  }

  /** Bytes of this round that arrived. */
  get received(): number {
    return this.#received;
  }

  /** A new `need` goes out: both sides count from zero again. The rate stays. */
  begin(): void {
    this.#durable = 0;
    this.#received = 0;
    this.#granted = 0;
  }

  /** False when the sender went beyond what any grant allowed. */
  receive(bytes: number): boolean {
    this.#received += bytes;
    return this.#received - this.#granted <= MAX_WINDOW_BYTES;
  }

  /** A quarter of the window arrived since the last grant: time to make it durable and grant more. */
  isDue(): boolean {
    return this.#received - this.#granted >= this.#window / 4;
  }

  /** `durable` bytes of this round are on the disk. Returns what to send. */
  grant(durable: number, now: number): { readonly durable: number; readonly window: number } {
    this.#sampleBytes += durable - this.#durable;
    this.#durable = durable;
    this.#granted = durable;
    const elapsed = now - this.#sampleStart;
    if (elapsed >= MIN_SAMPLE_MS) {
      const sample = (this.#sampleBytes / elapsed) * 1_000;
      this.#rate = this.#rate === 0 ? sample : this.#rate + (sample - this.#rate) * SMOOTHING;
      this.#window = windowFor(this.#rate);
      this.#sampleStart = now;
      this.#sampleBytes = 0;
    }
    return { durable, window: this.#window };
  }
}
