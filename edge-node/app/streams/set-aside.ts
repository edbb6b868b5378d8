import type { Random } from "../../../shared/base/random.ts";
import { fullJitter } from "../../../shared/flow/backoff.ts";

/** Beyond it the sink is broken rather than the results, and those that come wait behind the others. */
const MAX_ASIDE = 256;
const RETRY = { baseMs: 1_000, maxMs: 300_000 };

interface Aside {
  readonly attempts: number;
  readonly dueAt: number;
  readonly why: string;
}

/** Results that their sink failed on while it took others. Each is tried again after a while, until it expires. */
export class ResultsSetAside {
  readonly #random: Random;
  readonly #results = new Map<number, Aside>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Why they are, for a person; undefined: there are none. */
  get why(): string | undefined {
    const { size } = this.#results;
    const [last] = [...this.#results.values()].slice(-1);
    return last && `${size} ${size === 1 ? "result is" : "results are"} set aside and tried again: ${last.why}`;
  }

  positions(): readonly number[] {
    return [...this.#results.keys()];
  }

  has(position: number): boolean {
    return this.#results.has(position);
  }

  /** Those that are not yet to be tried again. */
  notDue(now: number): readonly number[] {
    return [...this.#results].filter(([, { dueAt }]) => dueAt > now).map(([position]) => position);
  }

  /** How long until the next is to be tried again, at most `most`. */
  nextInMs(now: number, most: number): number {
    return Math.min(most, ...[...this.#results.values()].map(({ dueAt }) => Math.max(0, dueAt - now)));
  }

  /** False: there are too many. */
  add(
    position: number,
    { now, why, leastMs }: { readonly now: number; readonly why: string; readonly leastMs: number },
  ) {
    const attempts = (this.#results.get(position)?.attempts ?? -1) + 1;
    if (attempts === 0 && this.#results.size >= MAX_ASIDE) return false;
    this.#results.delete(position);
    this.#results.set(position, { attempts, dueAt: now + leastMs + fullJitter(RETRY, attempts, this.#random), why });
    return true;
  }

  delete(position: number): void {
    this.#results.delete(position);
  }
}
