import type { Clock } from "../../../shared/base/clock.ts";
import type { Random } from "../../../shared/base/random.ts";
import {
  began,
  type Breaker,
  CLOSED,
  completed,
  failed,
  OPENS_AFTER,
  sent,
  undecided,
} from "../../core/cascade/breaker.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { InferenceResponse } from "./inference-request.ts";

interface Parts {
  readonly fleet: Pick<FleetCache, "snapshot">;
  readonly clock: Clock;
  readonly random: Random;
  readonly recordEvent: (event: NewEvent) => void;
}

/** The breakers of large models behind cascades, by their deployments. They open and close with an event. */
export class CascadeBreakers {
  readonly #parts: Parts;
  readonly #breakers = new Map<string, Breaker>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  of(to: string): Breaker {
    return this.#breakers.get(to) ?? CLOSED;
  }

  sent(to: string): void {
    const now = this.#parts.clock.now();
    this.#become(to, (breaker) => sent(breaker, now));
  }

  undecided(to: string): void {
    const now = this.#parts.clock.now();
    this.#become(to, (breaker) => undecided(breaker, now));
  }

  failed(to: string): void {
    const { clock, random } = this.#parts;
    this.#become(to, (breaker) => failed(breaker, clock.now(), random.next()));
  }

  /** Notes how an answer that has begun goes on. */
  watch(to: string, { body }: InferenceResponse): void {
    this.#become(to, began);
    if (body instanceof Uint8Array) return this.#become(to, completed);
    void body.ended.then((end) => {
      if (end.kind === "complete") this.#become(to, completed);
      else if (end.kind === "failed") this.failed(to);
    });
  }

  #become(to: string, next: (breaker: Breaker) => Breaker): void {
    const { clock, recordEvent, fleet } = this.#parts;
    const before = this.of(to);
    const after = next(before);
    if (after === before) return;
    // Those of deployments that are gone.
    const { deployments } = fleet.snapshot();
    for (const name of this.#breakers.keys()) if (!deployments.has(name)) this.#breakers.delete(name);
    this.#breakers.set(to, after);
    const object = `deployment/${to}`;
    if (after.state === "open" && before.state === "closed") {
      const seconds = Math.round((after.until - clock.now()) / 1_000);
      const message = `${to} failed ${OPENS_AFTER} times in a row: cascades to it answer from their small models for ${seconds} s, until one request may try it`;
      recordEvent({ type: "Warning", reason: "CascadeOpened", object, message });
    }
    if (after.state === "closed" && before.state === "trying") {
      const message = `${to} answers again: cascades ask it as before`;
      recordEvent({ type: "Normal", reason: "CascadeClosed", object, message });
    }
  }
}
