import { sleep, type Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { MAX_ENGINE_MODELS, type Capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import { engineApiOf, type EngineModel } from "../../../shared/text/engine-model.ts";
import type { EngineSetting } from "../../../shared/text/engine-setting.ts";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { hostFailure, isHostFailure } from "../../app/hosts/host-failure.ts";
import type { HostSpec, ModelHost, ModelHosts } from "../../ports/model-hosts.ts";
import { EngineClient } from "./engine-client.ts";
import { EngineHost } from "./engine-host.ts";
import { EngineSlots } from "./engine-slots.ts";
import { EngineWatch } from "./engine-watch.ts";
import { checkSignature } from "./oip-engine.ts";
import { warmUp } from "./warm-up.ts";

/** How long a start waits for an engine that is away, in ms. After that the placement fails, and may go elsewhere. */
const START_MS = 60_000;
/** Requests that an engine is given at once when it does not say how many it runs. */
const DEFAULT_SLOTS = 64;
/** Of the first request, which may be slower than those that follow. */
const MIN_WARM_UP_MS = 10_000;

interface Engine {
  readonly setting: EngineSetting;
  readonly client: EngineClient;
  readonly watch: EngineWatch;
  readonly slots: EngineSlots;
}

interface Trial {
  readonly onPhase: (phase: "warming") => void;
  readonly watch: EngineWatch;
  /** Aborted when the model is not to be served any more. */
  readonly signal: AbortSignal;
}

interface Parts {
  readonly settings: readonly EngineSetting[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The engines beside this node, and the hosts of the models that they execute. */
export class Engines implements ModelHosts {
  readonly #engines: readonly Engine[];
  readonly #clock: Clock;
  readonly #listeners: (() => void)[] = [];
  /** Engines that went away under a model's first request: a break may be too short for a look to see it. */
  readonly #broken = new Set<EngineWatch>();

  constructor({ settings, clock, random, logger }: Parts) {
    this.#clock = clock;
    this.#engines = settings.map((setting) => {
      const client = new EngineClient(setting);
      const watch = new EngineWatch({ client, api: setting.api, clock, random, logger });
      watch.onChange(() => this.#notify());
      watch.onLook(() => this.#broken.delete(watch) && this.#notify());
      return { setting, client, watch, slots: new EngineSlots() };
    });
  }

  /** Begins to look at them. */
  open(): void {
    for (const { watch } of this.#engines) watch.start();
  }

  async close(): Promise<void> {
    const stopped = this.#engines.map(({ watch }) => watch.stop());
    // A look may wait for an engine that does not answer.
    for (const { client } of this.#engines) client.close();
    await Promise.all(stopped);
  }

  /** What the node says of them; undefined without engines. */
  offer(): Capabilities["engines"] {
    if (this.#engines.length === 0) return undefined;
    let left = MAX_ENGINE_MODELS;
    return this.#engines.map(({ setting, watch }) => {
      const models = watch.models.slice(0, left);
      left -= models.length;
      return { api: setting.api, models: [...models] };
    });
  }

  /** `listener` is called after each change of `offer`, and when an engine answers again that broke off a start. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }

  async start(
    spec: HostSpec,
    onPhase: (phase: "loading" | "warming") => void,
    signal: AbortSignal,
  ): Promise<ModelHost> {
    const { engine } = spec;
    if (engine === undefined) throw hostFailure("LOAD_FAILED", "its manifest names no model of an engine");
    const { model } = engine;
    onPhase("loading");
    const startedAt = performance.now();
    const { client, watch, setting, slots } = await this.#whenThere(model, signal);
    const loadMs = performance.now() - startedAt;
    const warmUs = await this.#tried(client, spec, { onPhase, watch, signal });
    return new EngineHost({
      spec,
      model,
      client,
      watch,
      slots: setting.slots ?? watch.slots ?? DEFAULT_SLOTS,
      share: slots.share(),
      loadMs,
      warmUs,
    });
  }

  /** How long a small request takes, in µs; of tensors, what its metadata took, since none can be made up. */
  async #tried(client: EngineClient, { engine, limits }: HostSpec, { onPhase, watch, signal }: Trial): Promise<number> {
    if (engine === undefined) return 0;
    const { model, kind } = engine.model;
    onPhase("warming");
    const withinMs = Math.max(MIN_WARM_UP_MS, 2 * (limits.timeoutMs || DEFAULT_DEADLINE_MS));
    try {
      return kind === "tensors"
        ? await checkSignature(client, model, engine)
        : await warmUp(client, { model, kind }, { withinMs, signal });
    } catch (error) {
      // It went away meanwhile: the start is tried again when it is back.
      if (!isHostFailure(error) || error.code !== "HOST_CRASHED") throw error;
      this.#broken.add(watch);
      watch.suspect();
      throw hostFailure("ENGINE_AWAY", error.message);
    }
  }

  /** Throws ENGINE_AWAY, and ENGINE_CONFIG at once when the node cannot ask any of them for want of a key. */
  async #whenThere(model: EngineModel, signal: AbortSignal): Promise<Engine> {
    const api = engineApiOf(model);
    const suitable = this.#engines.filter(({ setting }) => setting.api === api);
    if (suitable.length === 0) throw hostFailure("ENGINE_AWAY", `this node has no engine of the kind ${api}`);
    const find = (): Engine | undefined => suitable.find(({ watch }) => watch.whyNot(model.model) === undefined);
    const isHopeless = (): boolean => suitable.every(({ watch }) => watch.failure === "ENGINE_CONFIG");
    const found = Promise.withResolvers<void>();
    const isSettled = (): boolean => find() !== undefined || isHopeless();
    const unwatch = suitable.map(({ watch }) => watch.onChange(() => isSettled() && found.resolve()));
    const end = new AbortController();
    try {
      if (!isSettled())
        await Promise.race([found.promise, sleep(this.#clock, START_MS, AbortSignal.any([signal, end.signal]))]);
    } finally {
      end.abort();
      for (const call of unwatch) call();
    }
    const engine = find();
    if (engine) return engine;
    const why = suitable.map(({ watch }) => watch.whyNot(model.model)).join("; ");
    throw hostFailure(isHopeless() ? "ENGINE_CONFIG" : "ENGINE_AWAY", why);
  }
}
