import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { isSkerryError, messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { fullJitter, type BackoffPolicy } from "../../../shared/flow/backoff.ts";
import type { CustomResources, ResourceChange, ResourceKind } from "../../ports/cloud/custom-resources.ts";

/** An API server that starts may answer once and refuse again: what fails so soon after its end is the same outage. */
const SAME_OUTAGE_MS = 10_000;
/** The server sends a bookmark each minute when nothing happens: a watch that is silent for longer is dead. */
const SILENCE_MS = 150_000;
/** A server that comes back is found within a second. */
const RECONNECT: BackoffPolicy = { baseMs: 200, maxMs: 1_000 };

interface Parts {
  readonly kind: ResourceKind;
  readonly cluster: Pick<CustomResources, "list" | "watch">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** An object came, changed or went. */
  readonly onChange: (name: string) => void;
  /** All objects are known, for the first time or again after an outage. */
  readonly onSynced: () => void;
}

/**
 * The custom resources of one kind as the API server has them: listed once, then watched. A watch that ends goes on from the
 * last version it saw, a bookmark's at the least. One that breaks, is silent for 150 s or names a version that the server has
 * forgotten begins anew with a list: a list that succeeds also says that the outage is over, which a quiet watch does not.
 * There is no state from which it does not go on.
 */
export class ResourceCache {
  readonly #parts: Parts;
  readonly #resources = new Map<string, Resource>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Undefined: everything has to be listed. */
  #version: string | undefined;
  #isSynced = false;
  #attempt = 0;
  /** When the last outage ended. */
  #mendedAt = -Infinity;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** True while what it holds is what the server has, but for what is on its way. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  get(name: string): Resource | undefined {
    return this.#resources.get(name);
  }

  names(): readonly string[] {
    return [...this.#resources.keys()];
  }

  /** What the server answered to a write of ours, ahead of the watch: otherwise the same write would be made again. */
  put(resource: Resource): void {
    const known = this.#resources.get(resource.metadata.name);
    if (known?.metadata.uid === resource.metadata.uid && isNewer(resource, known))
      this.#resources.set(resource.metadata.name, resource);
  }

  /** As `put`, for an object that this side made. */
  add(resource: Resource): void {
    if (!this.#resources.has(resource.metadata.name)) this.#resources.set(resource.metadata.name, resource);
    else this.put(resource);
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#parts;
    while (!this.#stopping.signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list();
        await this.#watch();
        // A server that ends each watch at once is not asked again at once.
        await sleep(clock, fullJitter(RECONNECT, 0, random), this.#stopping.signal).catch(() => undefined);
      } catch (error) {
        this.#fail(error);
        const waitMs = Math.max(fullJitter(RECONNECT, this.#attempt, random), retryAfterMs(error));
        this.#attempt += 1;
        await sleep(clock, waitMs, this.#stopping.signal).catch(() => undefined);
      }
    }
  }

  async #list(): Promise<void> {
    const { cluster, kind } = this.#parts;
    const { resources, resourceVersion } = await cluster.list(kind);
    const present = new Set(resources.map(({ metadata }) => metadata.name));
    const gone = this.names().filter((name) => !present.has(name));
    const changed = resources.filter(({ metadata }) => isOther(metadata, this.#resources.get(metadata.name)?.metadata));
    // `onSynced` is for all objects; those that the missed changes were about are named beside it, because of a thousand
    // the last is looked at after 5 s. To a first list everything is new.
    const isFirst = this.#resources.size === 0;
    const named = isFirst ? gone : [...gone, ...changed.map(({ metadata }) => metadata.name)];
    for (const name of gone) this.#resources.delete(name);
    for (const resource of resources) this.#resources.set(resource.metadata.name, resource);
    this.#version = resourceVersion;
    this.#succeed();
    for (const name of named) this.#parts.onChange(name);
  }

  async #watch(): Promise<void> {
    const { cluster, kind, clock } = this.#parts;
    const silence = new AbortController();
    let cancel = (): void => undefined;
    const expectMore = (): void => {
      cancel();
      cancel = clock.after(SILENCE_MS, () => silence.abort());
    };
    expectMore();
    try {
      const signal = AbortSignal.any([this.#stopping.signal, silence.signal]);
      for await (const change of cluster.watch(kind, this.#version ?? "", signal)) {
        expectMore();
        this.#succeed();
        this.#apply(change);
      }
      if (silence.signal.aborted) throw new Error(`the watch was silent for ${SILENCE_MS / 1_000} s`);
    } finally {
      cancel();
    }
  }

  #apply(change: ResourceChange): void {
    if (change.type === "expired") {
      this.#version = undefined;
      return;
    }
    if (change.type === "bookmark") {
      this.#version = change.resourceVersion;
      return;
    }
    const { resource } = change;
    const { name, resourceVersion } = resource.metadata;
    this.#version = resourceVersion;
    const known = this.#resources.get(name);
    if (change.type === "deleted") this.#resources.delete(name);
    else if (!known || isNewer(resource, known)) this.#resources.set(name, resource);
    // Our own write, which `put` has told us of already, or what was before it.
    else return;
    this.#parts.onChange(name);
  }

  #succeed(): void {
    const { kind, logger, clock, onSynced } = this.#parts;
    if (this.#attempt > 0) {
      logger.info({ kind }, "custom resources are watched again");
      this.#mendedAt = clock.now();
    }
    this.#attempt = 0;
    if (this.#isSynced) return;
    this.#isSynced = true;
    onSynced();
  }

  /** Logs once for each outage. */
  #fail(error: unknown): void {
    const { kind, logger, clock } = this.#parts;
    this.#isSynced = false;
    this.#version = undefined;
    if (this.#attempt === 0 && clock.now() - this.#mendedAt >= SAME_OUTAGE_MS)
      logger.warn({ kind, error: messageOf(error) }, "custom resources cannot be watched now; they are tried again");
  }
}

const retryAfterMs = (error: unknown): number => (isSkerryError(error) ? (error.retryAfterMs ?? 0) : 0);

const isOther = (a: Resource["metadata"], b: Resource["metadata"] | undefined): boolean =>
  a.uid !== b?.uid || a.resourceVersion !== b.resourceVersion;

/** Versions of one kind are numbers that rise (KEP-5504). */
const isNewer = (a: Resource, b: Resource): boolean =>
  a.metadata.uid !== b.metadata.uid || BigInt(a.metadata.resourceVersion) > BigInt(b.metadata.resourceVersion);
