import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { CustomResources, ResourceKind } from "../../ports/cloud/custom-resources.ts";
import { KeyedQueue, type Outcome } from "./keyed-queue.ts";
import { ResourceCache } from "./resource-cache.ts";

/** Everything is looked at again, in case something was missed: what is as it should be writes nothing. */
const RESYNC_MS = 5 * 60_000;
/** Failures that go on are logged so often. */
const REMINDER_MS = 10 * 60_000;

/** What is particular to a kind. */
export interface Reconciler {
  readonly kind: ResourceKind;
  /** Makes what is so be what is declared under one name, and says so in its status. Called again later after a throw, too. */
  reconcile(name: string, resources: ResourceCache): Promise<Outcome>;
  /** Calls `changed` for each name whose Skerry side changes, until `signal` is aborted; at first for all. */
  follow(changed: (name: string) => void, signal: AbortSignal): Promise<void>;
}

/** Runs a reconciler: for names whose custom resource changed, whose Skerry side changed, and for all every 5 minutes. */
export class ResourceController {
  readonly #reconciler: Reconciler;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #cache: ResourceCache;
  readonly #queue: KeyedQueue;
  readonly #stopping = new AbortController();
  /** What the Skerry side named before the resources were known. */
  readonly #early = new Set<string>();
  #following: Promise<void> = Promise.resolve();
  #cancelResync: () => void = () => undefined;
  /** Names that could not be carried out when they were tried last. */
  readonly #failing = new Set<string>();
  #complainedAt = -Infinity;

  constructor(
    reconciler: Reconciler,
    parts: { cluster: CustomResources; clock: Clock; random: Random; logger: Logger },
  ) {
    this.#reconciler = reconciler;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#queue = new KeyedQueue({
      ...parts,
      work: (name) => this.#reconcile(name),
      onFailure: (name, error, attempt) => this.#complain(name, error, attempt),
    });
    this.#cache = new ResourceCache({
      ...parts,
      kind: reconciler.kind,
      onChange: (name) => this.#queue.add(name),
      onSynced: () => this.#addAll(),
    });
  }

  start(): void {
    this.#cache.start();
    this.#following = this.#reconciler.follow((name) => this.#onSkerryChange(name), this.#stopping.signal);
    this.#scheduleResync();
  }

  /** Looks at all names again, now. */
  resync(): void {
    if (this.#cache.isSynced) this.#addAll();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelResync();
    await this.#cache.stop();
    await this.#following;
    await this.#queue.stop();
  }

  async #reconcile(name: string): Promise<Outcome> {
    // What is not known must not be taken for gone; when it is known, all names are added.
    if (!this.#cache.isSynced) {
      this.#early.add(name);
      return "done";
    }
    const outcome = await this.#reconciler.reconcile(name, this.#cache);
    this.#recover(name);
    return outcome;
  }

  #onSkerryChange(name: string): void {
    if (this.#cache.isSynced) this.#queue.add(name);
    else this.#early.add(name);
  }

  #addAll(): void {
    for (const name of [...this.#early, ...this.#cache.names()]) this.#queue.addForReview(name);
    this.#early.clear();
  }

  #scheduleResync(): void {
    this.#cancelResync = this.#clock.after(RESYNC_MS, () => {
      this.resync();
      this.#scheduleResync();
    });
  }

  /** Logs once for each outage, which ends when nothing fails any more, and every 10 minutes of one that goes on. */
  #complain(name: string, error: unknown, attempt: number): void {
    // The watch logs that the API server is away.
    if (!this.#cache.isSynced) return;
    const isNew = this.#failing.size === 0;
    this.#failing.add(name);
    if (!isNew && this.#clock.now() - this.#complainedAt < REMINDER_MS) return;
    this.#complainedAt = this.#clock.now();
    const what = { kind: this.#reconciler.kind, name, failing: this.#failing.size, attempt, error: messageOf(error) };
    this.#logger.warn(what, "a custom resource could not be carried out; it is tried again");
  }

  #recover(name: string): void {
    if (!this.#failing.delete(name) || this.#failing.size > 0) return;
    this.#logger.info({ kind: this.#reconciler.kind }, "custom resources are carried out again");
  }
}
