import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Random } from "../../../shared/base/random.ts";
import { type BackoffPolicy, fullJitter } from "../../../shared/flow/backoff.ts";
import { Wakeup } from "./wakeup.ts";

export type Step =
  /** There may be more; it is looked for after `pauseMs`. */
  | { readonly kind: "done"; readonly pauseMs: number }
  /** Nothing is to be done until something arrives, or for so long. */
  | { readonly kind: "empty"; readonly forMs: number }
  /** It cannot be done now. What arrives meanwhile waits behind what is there already. */
  | { readonly kind: "later"; readonly why: string; readonly leastMs: number };

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly retry: BackoffPolicy;
  /** Something has come. */
  readonly arrived: Wakeup;
  readonly step: (signal: AbortSignal) => Promise<Step>;
  /** It cannot go on from now on, or can again (undefined). */
  readonly onChange: (why: string | undefined) => void;
}

/** Takes one step after another. After one that failed it waits longer each time, with full jitter. */
export class WorkLoop {
  readonly #parts: Parts;
  /** Nothing wakes it. */
  readonly #rest: Wakeup;
  #why: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rest = new Wakeup(parts.clock);
  }

  /** Why it cannot go on now; undefined: it can. */
  get why(): string | undefined {
    return this.#why;
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { step: next, random, retry, arrived } = this.#parts;
    let attempt = 0;
    while (!signal.aborted) {
      const step = await next(signal).catch((error: unknown): Step => ({
        kind: "later",
        why: messageOf(error),
        leastMs: 0,
      }));
      if (signal.aborted) return;
      this.#changed(step.kind === "later" ? step.why : undefined);
      if (step.kind === "empty") await arrived.wait(step.forMs, signal);
      else if (step.kind === "done" && step.pauseMs > 0) await this.#rest.wait(step.pauseMs, signal);
      else if (step.kind === "later") {
        await this.#rest.wait(step.leastMs + fullJitter(retry, attempt, random), signal);
      }
      attempt = step.kind === "later" ? attempt + 1 : 0;
    }
  }

  #changed(why: string | undefined): void {
    const isChange = (why === undefined) !== (this.#why === undefined);
    this.#why = why;
    if (isChange) this.#parts.onChange(why);
  }
}
