import type { Clock } from "../../../shared/base/clock.ts";
import { resumedAge, type StreamTime } from "../../core/streams/age.ts";

/** The age of this node's store, which items expire by: no change of the machine's date makes one expire or stay. */
export class StreamClock {
  readonly #clock: Clock;
  #bornAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Goes on from what the store was when it was last written. */
  resume(mark: StreamTime | undefined): void {
    this.#bornAt = this.#clock.now() - resumedAge(mark, this.#clock.wallNow());
  }

  now(): StreamTime {
    return { ageMs: this.#clock.now() - this.#bornAt, wallMs: this.#clock.wallNow() };
  }
}
