import type { Clock } from "../../../../shared/base/clock.ts";
import type { Random } from "../../../../shared/base/random.ts";
import {
  admits,
  began,
  type Breaker,
  CLOSED,
  completed,
  failed,
  OPENS_AFTER,
  sent,
  undecided,
} from "../../../core/cascade/breaker.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { FleetCache } from "../../fleet/fleet-cache.ts";
import type { InferenceResponse } from "../inference-request.ts";

interface Parts {
  readonly fleet: Pick<FleetCache, "snapshot">;
  readonly clock: Clock;
  readonly random: Random;
  readonly recordEvent: (event: NewEvent) => void;
}

/** A large model that one caller asks: the deployment, and the caller's key. */
export interface AskedBy {
  readonly to: string;
  readonly caller: string;
}

/** Callers of a large model whose breakers are kept; the one that failed or was answered longest ago begins closed again. */
const MAX_CALLERS = 1_024;
/** An open breaker whose caller has not come back for so long after its time is forgotten. */
const FORGOTTEN_MS = 600_000;

/**
 * The breakers of large models behind cascades, one for each caller of a deployment: requests of one key that make a model fail
 * must not take it from the others. A model that fails for all costs each caller five requests, which its small model answers.
 * The first breaker of a deployment that opens, and the last one that closes, say so by an event.
 */
export class CascadeBreakers {
  readonly #parts: Parts;
  /** By deployment and by caller, the newest last. Closed ones without a failure are not there. */
  readonly #breakers = new Map<string, Map<string, Breaker>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  of({ to, caller }: AskedBy): Breaker {
    return this.#breakers.get(to)?.get(caller) ?? CLOSED;
  }

  /** That of the caller for whom it is closed most. */
  worstOf(to: string): Breaker["state"] {
    const now = this.#parts.clock.now();
    const broken = this.#brokenOf(to);
    if (broken.some((breaker) => breaker.state === "open" && !admits(breaker, now))) return "open";
    return broken.length > 0 ? "trying" : "closed";
  }

  sent(asked: AskedBy): void {
    const now = this.#parts.clock.now();
    this.#become(asked, (breaker) => sent(breaker, now));
  }

  undecided(asked: AskedBy): void {
    const now = this.#parts.clock.now();
    this.#become(asked, (breaker) => undecided(breaker, now));
  }

  failed(asked: AskedBy): void {
    const { clock, random } = this.#parts;
    this.#become(asked, (breaker) => failed(breaker, clock.now(), random.next()));
  }

  /** Notes how an answer that has begun goes on. */
  watch(asked: AskedBy, { body }: InferenceResponse): void {
    this.#become(asked, began);
    if (body instanceof Uint8Array) return this.#become(asked, completed);
    void body.ended.then((end) => {
      if (end.kind === "complete") this.#become(asked, completed);
      else if (end.kind === "failed") this.failed(asked);
    });
  }

  #become({ to, caller }: AskedBy, next: (breaker: Breaker) => Breaker): void {
    const before = this.of({ to, caller });
    const after = next(before);
    if (after === before) return;
    const wasBroken = this.#brokenOf(to).length > 0;
    this.#keep({ to, caller }, after);
    const isBroken = this.#brokenOf(to).length > 0;
    if (isBroken === wasBroken) return;
    const { clock, recordEvent } = this.#parts;
    const object = `deployment/${to}`;
    if (after.state === "open") {
      const seconds = Math.round((after.until - clock.now()) / 1_000);
      const message = `${to} failed ${OPENS_AFTER} times in a row for one caller: cascades to it answer that caller from their small models for ${seconds} s, until one of its requests may try it`;
      recordEvent({ type: "Warning", reason: "CascadeOpened", object, message });
    } else {
      const message = `${to} answers again: cascades ask it as before`;
      recordEvent({ type: "Normal", reason: "CascadeClosed", object, message });
    }
  }

  #keep({ to, caller }: AskedBy, breaker: Breaker): void {
    const { deployments } = this.#parts.fleet.snapshot();
    for (const name of this.#breakers.keys()) if (!deployments.has(name)) this.#breakers.delete(name);
    const callers = this.#breakers.get(to) ?? new Map<string, Breaker>();
    callers.delete(caller);
    if (breaker !== CLOSED) callers.set(caller, breaker);
    const [oldest] = callers.keys();
    if (callers.size > MAX_CALLERS && oldest !== undefined) callers.delete(oldest);
    if (callers.size === 0) this.#breakers.delete(to);
    else this.#breakers.set(to, callers);
  }

  #brokenOf(to: string): readonly Breaker[] {
    const now = this.#parts.clock.now();
    const isBroken = (breaker: Breaker): boolean =>
      breaker.state === "trying" || (breaker.state === "open" && now < breaker.until + FORGOTTEN_MS);
    return [...(this.#breakers.get(to)?.values() ?? [])].filter(isBroken);
  }
}
