import type { Clock } from "../../../shared/base/clock.ts";
import type { Cancellation } from "../../../shared/flow/cancellation.ts";

/** One after another, by name: of those that wait the first one goes next. */
export class Turns {
  readonly #clock: Clock;
  /** By the name of a turn that is taken: who waits for it. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether one of those turns is taken whose names begin so. */
  isAnyTaken(prefix: string): boolean {
    return this.#waiting.keys().some((name) => name.startsWith(prefix));
  }

  /** How many wait for it. */
  waitingFor(name: string): number {
    return this.#waiting.get(name)?.length ?? 0;
  }

  /** The turn, to be left once; undefined when it did not come within `withinMs`, or the caller went away first. */
  async take(
    name: string,
    { withinMs, cancellation }: { readonly withinMs: number; readonly cancellation?: Cancellation },
  ): Promise<(() => void) | undefined> {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) {
      this.#waiting.set(name, []);
      return () => this.#leave(name);
    }
    const hasCome = await new Promise<boolean>((resolve) => {
      const go = (): void => {
        cancelTimer();
        resolve(true);
      };
      const giveUp = (): void => {
        const at = waiting.indexOf(go);
        if (at === -1) return;
        waiting.splice(at, 1);
        cancelTimer();
        resolve(false);
      };
      const cancelTimer = this.#clock.after(withinMs, giveUp);
      waiting.push(go);
      cancellation?.onCancel(giveUp);
    });
    return hasCome ? () => this.#leave(name) : undefined;
  }

  #leave(name: string): void {
    const next = this.#waiting.get(name)?.shift();
    if (next === undefined) this.#waiting.delete(name);
    else next();
  }
}
