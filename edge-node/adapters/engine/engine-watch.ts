import { sleep, type Clock } from "../../../shared/base/clock.ts";
import type { PlacementFailure } from "../../../shared/protocol/placement.ts";
import { isHostFailure } from "../../app/hosts/host-failure.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { EngineApi } from "../../../shared/text/engine-model.ts";
import type { EngineClient } from "./engine-client.ts";
import type { EngineLoad } from "./engine-gauges.ts";
import { type EngineLook, lookAt } from "./engine-look.ts";

/** Between two looks at an engine: when it answered, and when it did not. With jitter. */
const EVERY_MS = 5_000;
const EVERY_MS_AWAY = 1_000;
/** Looks that fail one after the other before it counts as away: an engine that is busy may be slow to answer. */
const FAILURES = 2;
const SOON_MS = 250;
/** All questions of a look together. Two that fail and what lies between them: an engine that hangs is away after 13 s at most. */
const LOOK_MS = 3_000;

interface Parts {
  readonly client: EngineClient;
  readonly api: EngineApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly look?: typeof lookAt;
}

/**
 * Whether one engine answers, and which models it has. It is looked at from time to time, and at once when a request found
 * it away.
 *
 *   unknown   at first                       the first look → there or away
 *   there     a look was answered            failed looks in a row → away
 *   away      it does not answer, or says    a look is answered → there
 *             that it is not ready
 */
export class EngineWatch {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #onLook = new Set<() => void>();
  #state: "unknown" | "there" | "away" = "unknown";
  #models: readonly string[] = [];
  #slots: number | undefined;
  #loads: EngineLook["loads"] = new Map();
  #why = "it has not answered yet";
  #failure: PlacementFailure = "ENGINE_AWAY";
  #failures = 0;
  #isSuspected = false;
  #wake: (() => void) | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#loop = this.#run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#loop;
  }

  /** Of an engine that is there. */
  get models(): readonly string[] {
    return this.#models;
  }

  /** Requests that it runs at once, when it said so. */
  get slots(): number | undefined {
    return this.#slots;
  }

  /** Requests of all who ask it, at the last look; undefined where it does not say. `isOfAll`: of all its models together. */
  loadOf(model: string): (EngineLoad & { readonly isOfAll: boolean }) | undefined {
    const own = this.#loads.get(model);
    if (own !== undefined) return { ...own, isOfAll: false };
    const all = this.#loads.get("");
    return all && { ...all, isOfAll: true };
  }

  /** What `whyNot` means: the engine is not there, or the node is set up so that it cannot ask it. */
  get failure(): PlacementFailure {
    return this.#failure;
  }

  /** Why a model cannot be asked for now, for a person; undefined when it can. */
  whyNot(model: string): string | undefined {
    const { name } = this.#parts.client;
    if (this.#state !== "there")
      return `the ${name} ${this.#failure === "ENGINE_AWAY" ? "is away" : "cannot be asked"}: ${this.#why}`;
    return this.#models.includes(model) ? undefined : `the ${name} does not list the model ${model}`;
  }

  /** `listener` is called after each change of what it says. Returns the way to call it off. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `listener` is called after each look that was answered. Returns the way to call it off. */
  onLook(listener: () => void): () => void {
    this.#onLook.add(listener);
    return () => this.#onLook.delete(listener);
  }

  /** A request found it away: look now, or as soon as the look under way and a short pause are over. */
  suspect(): void {
    this.#isSuspected = true;
    this.#wake?.();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    while (!signal.aborted) {
      this.#isSuspected = false;
      await this.#look(signal);
      const endedAt = clock.now();
      if (signal.aborted) return;
      const everyMs = this.#state === "there" ? (this.#failures > 0 ? SOON_MS : EVERY_MS) : EVERY_MS_AWAY;
      if (!this.#isSuspected) await this.#pause(everyMs * (0.75 + random.next() / 2), clock, signal);
      // However many requests fail, an engine is not looked at all the time.
      const leftMs = endedAt + SOON_MS - clock.now();
      if (leftMs > 0) await sleep(clock, leftMs, signal).catch(() => undefined);
    }
  }

  async #pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const woken = new Promise<void>((resolve) => (this.#wake = resolve));
    const end = new AbortController();
    await Promise.race([woken, sleep(clock, ms, AbortSignal.any([signal, end.signal])).catch(() => undefined)]);
    end.abort();
    this.#wake = undefined;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { client, api, clock, look = lookAt } = this.#parts;
    const end = new AbortController();
    const late = sleep(clock, LOOK_MS, AbortSignal.any([signal, end.signal])).then(() => {
      throw new Error(`it did not answer within ${LOOK_MS} ms`);
    });
    try {
      const seen = await Promise.race([look(client, api, end.signal), late]);
      if (!signal.aborted) this.#answered(seen);
    } catch (error) {
      if (!signal.aborted)
        this.#failed(
          messageOf(error),
          isHostFailure(error) && error.code === "ENGINE_CONFIG" ? error.code : "ENGINE_AWAY",
        );
    } finally {
      end.abort(); // of a look that was late its connection closes
      late.catch(() => undefined);
    }
  }

  #answered({ models, slots, loads }: EngineLook): void {
    const { logger, client } = this.#parts;
    this.#loads = loads;
    for (const listener of this.#onLook) listener();
    this.#failures = 0;
    const isSame = this.#state === "there" && models.join("\n") === this.#models.join("\n") && slots === this.#slots;
    if (isSame) return;
    logger.info({ engine: client.name, models: models.slice(0, 16) }, "an engine answers");
    this.#failure = "ENGINE_AWAY";
    this.#state = "there";
    this.#models = models;
    this.#slots = slots;
    this.#changed();
  }

  #failed(why: string, failure: PlacementFailure): void {
    const { logger, client } = this.#parts;
    this.#failures += 1;
    this.#why = why;
    const isSame = this.#state === "away" && this.#failure === failure;
    if (isSame || (this.#state === "there" && this.#failures < FAILURES)) return;
    this.#failure = failure;
    logger.warn({ engine: client.name, why }, "an engine does not answer");
    this.#state = "away";
    this.#models = [];
    this.#loads = new Map();
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
