import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { FEATURE } from "../../../shared/protocol/features.ts";
import type { CallerKey, CallerKeysMessage } from "../../../shared/protocol/messages/caller-keys.ts";
import type { ControlChannel } from "../../ports/channels.ts";
import type { CallersFile, KnownCaller, KnownCallers } from "../../ports/disk.ts";

/** How often the time without a control plane is written, in ms: a restart loses so much of it at most. */
const NOTE_MS = 3_600_000;
const NONE: KnownCallers = { digest: undefined, keys: [], confirmedAt: 0, ranMs: 0 };

interface Parts {
  readonly file: CallersFile;
  /** So long after the control plane was last there no API key is taken any more. */
  readonly maxOfflineMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The API keys that the node's own address takes. The control plane says them, and again within seconds of a change; without it
 * they stay good for `maxOfflineMs`, through restarts too. Time is counted by the calendar and by how long the node ran,
 * whichever is more.
 */
export class CallerKeys {
  readonly #parts: Parts;
  #known: KnownCallers = NONE;
  #byId: ReadonlyMap<string, KnownCaller> = new Map();
  /** When this process began to count `ranMs` on. */
  #since: number;
  /** The control plane has answered in the present session. */
  #isConfirmed = false;
  #pages: (readonly CallerKey[])[] = [];
  #pagesOf: string | undefined;
  #writing: Promise<void> = Promise.resolve();
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#since = parts.clock.now();
  }

  async load(): Promise<void> {
    this.#take((await this.#parts.file.load()) ?? NONE);
    this.#since = this.#parts.clock.now();
  }

  /** From now on the time without a control plane is noted. */
  start(): void {
    this.#cancel = this.#parts.clock.after(NOTE_MS, () => {
      void this.#note();
      this.start();
    });
  }

  /** The node stops. */
  async stop(): Promise<void> {
    this.#cancel();
    await this.#note();
  }

  /** The key with this id; `stale` when the control plane has been away for too long to take any. */
  find(id: string): KnownCaller | "stale" | undefined {
    const known = this.#byId.get(id);
    if (known === undefined) return undefined;
    if (this.#ageMs() > this.#parts.maxOfflineMs) return "stale";
    return known.expiresAt !== null && this.#parts.clock.wallNow() >= known.expiresAt ? undefined : known;
  }

  /** A session began: asks for what has changed. */
  began(channel: Pick<ControlChannel, "welcome" | "send">): void {
    this.#isConfirmed = false;
    this.#pagesOf = undefined;
    if (!channel.welcome.features.includes(FEATURE.CALLER_KEYS)) return;
    const { digest } = this.#known;
    channel.send({ type: "caller.get", ...(digest !== undefined && { digest }) });
  }

  /** The session is over: from now on the keys age. */
  async ended(): Promise<void> {
    if (!this.#isConfirmed) return;
    this.#confirm();
    this.#isConfirmed = false;
    await this.#note();
  }

  /** Pages of one set come in order, as all messages of a channel do. */
  async onMessage({ digest, page, pages, keys }: CallerKeysMessage): Promise<void> {
    if (pages > 0) {
      if (page === 0) [this.#pages, this.#pagesOf] = [[], digest];
      if (this.#pagesOf !== digest || this.#pages.length !== page) return;
      this.#pages.push(keys);
      if (this.#pages.length < pages) return;
      const now = this.#parts.clock.wallNow();
      const known = this.#pages.flat().map(({ expiresInMs, ...key }) => ({
        ...key,
        expiresAt: expiresInMs === null ? null : now + expiresInMs,
      }));
      this.#pages = [];
      this.#take({ ...this.#known, digest, keys: known });
    } else if (digest !== this.#known.digest) return;
    this.#isConfirmed = true;
    this.#confirm();
    await this.#note();
  }

  /** The node was removed: nobody tells it any more which keys are void, so it takes none. */
  async forget(): Promise<void> {
    this.#isConfirmed = false;
    this.#pages = [];
    this.#take(NONE);
    await this.#note();
  }

  #take(known: KnownCallers): void {
    this.#known = known;
    this.#byId = new Map(known.keys.map((key) => [key.id, key]));
  }

  /** The control plane is there now. */
  #confirm(): void {
    const { clock } = this.#parts;
    this.#since = clock.now();
    this.#known = { ...this.#known, confirmedAt: clock.wallNow(), ranMs: 0 };
  }

  #ageMs(): number {
    if (this.#isConfirmed) return 0;
    const { clock } = this.#parts;
    const { confirmedAt, ranMs } = this.#known;
    return Math.max(ranMs + (clock.now() - this.#since), clock.wallNow() - confirmedAt);
  }

  /** Never rejects: with a full disk the keys of before are read at the next start, and asked for anew. */
  #note(): Promise<void> {
    const { clock, file, logger } = this.#parts;
    if (this.#isConfirmed) this.#confirm();
    const now = clock.now();
    this.#known = { ...this.#known, ranMs: this.#known.ranMs + (now - this.#since) };
    this.#since = now;
    const known = this.#known;
    this.#writing = this.#writing
      .then(() => file.save(known))
      .catch((error: unknown) => logger.warn({ error: messageOf(error) }, "the API keys could not be written"));
    return this.#writing;
  }
}
