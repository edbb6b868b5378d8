import { SeededRandom } from "../digits/random.ts";

/** Readings of one window: a quarter of a second at 256 Hz. */
export const WINDOW_ROWS = 64;
const SAMPLES_A_SECOND = 256;
/** Turns a second. */
const SPEED = 24;

/** What may be wrong with the machine during a window. */
export const FAULTS = ["bearing", "imbalance", "heat"] as const;
export type Fault = (typeof FAULTS)[number];

export interface Reading {
  /** Acceleration, in m/s². */
  readonly vibration: number;
  /** Of the bearing, in °C. */
  readonly temperature: number;
}

/**
 * A machine that turns: its vibration follows the shaft, with noise, and its bearing is warm. A worn *bearing* knocks at every
 * eighth reading, an *imbalance* shakes it two and a half times as much, *heat* makes the bearing 12 °C warmer. The same seed makes the same windows.
 */
export class Machine {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** The next window. Undefined: nothing is wrong. */
  window(fault: Fault | undefined): readonly Reading[] {
    const phase = this.#random.next() * 2 * Math.PI;
    const swing = (1 + 0.08 * this.#normal()) * (fault === "imbalance" ? 2.5 : 1);
    const warmth = 48 + 1.5 * this.#normal() + (fault === "heat" ? 12 : 0);
    return Array.from({ length: WINDOW_ROWS }, (_, row) => {
      const knock = fault === "bearing" && row % 8 === 0 ? 2.4 : 0;
      const turn = Math.sin(phase + (2 * Math.PI * SPEED * row) / SAMPLES_A_SECOND);
      const vibration = swing * turn + 0.25 * this.#normal() + knock;
      return { vibration: rounded(vibration), temperature: rounded(warmth + 0.2 * this.#normal()) };
    });
  }

  /** Of mean 0 and deviation 1 (Box and Muller, 1958). */
  #normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.#random.next()));
    return radius * Math.cos(2 * Math.PI * this.#random.next());
  }
}

/** As a sensor writes it. */
export const csvOf = (window: readonly Reading[]): string =>
  ["vibration,temperature", ...window.map(({ vibration, temperature }) => `${vibration},${temperature}`), ""].join(
    "\n",
  );

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;
