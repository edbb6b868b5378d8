import pg from "pg";
import { fullJitter, type BackoffPolicy } from "../../../shared/flow/backoff.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { FleetKeys } from "../../core/fleet/changes/fleet-keys.ts";
import type { Clone } from "../../ports/nodes/nodes.ts";
import type { ChangeNotifier, ChangeTopic, OnChange } from "../../ports/plan.ts";
import { CHANNEL } from "./events/events.ts";
import { parseClone, parsePayload, TOPICS } from "./fleet/change-payload.ts";

const CONNECT_MS = 2_000;
/** Short, because until it listens again every change waits for a poll. */
const RECONNECT: BackoffPolicy = { baseMs: 100, maxMs: 2_000 };

interface Parts {
  readonly url: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * LISTEN on a connection of its own.
 *
 * silent     before `listen` and after `stop`
 * listening  every notification is passed on by its topic; the loss of the connection leads to `waiting`
 * waiting    no connection; after a random while one is tried. When it listens it calls with every topic, for what was missed
 */
export class PostgresChangeNotifier implements ChangeNotifier {
  readonly #parts: Parts;
  readonly #listeners = new Set<OnChange>();
  readonly #cloneListeners = new Set<(clone: Clone) => void>();
  #client: pg.Client | undefined;
  #attempts = 0;
  #isStopped = true;
  #cancelRetry: () => void = () => undefined;
  #connecting: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Resolves when it listens or the first attempt failed; it never rejects and never gives up. */
  async listen(onChange: OnChange): Promise<void> {
    this.onChange(onChange);
    this.#isStopped = false;
    this.#connecting = this.#connect();
    await this.#connecting;
  }

  onChange(listener: OnChange): void {
    this.#listeners.add(listener);
  }

  /** Calls with each clone that a control plane announces, from `listen` on. One that was missed is announced again when it dials. */
  onClone(listener: (clone: Clone) => void): void {
    this.#cloneListeners.add(listener);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry();
    await this.#connecting;
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#parts.url,
      application_name: "skerry notifications",
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: CONNECT_MS,
      keepAlive: true,
    });
    client.on("error", () => undefined);
    client.on("notification", ({ payload = "" }) => {
      const clone = parseClone(payload);
      if (clone) for (const listener of this.#cloneListeners) listener(clone);
      const change = parsePayload(payload);
      if (change) this.#notify(change.topic, change.keys);
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      this.#becomeWaiting(error);
      return;
    }
    client.once("end", () => this.#onEnd(client));
    this.#becomeListening(client);
  }

  #becomeListening(client: pg.Client): void {
    this.#client = client;
    if (this.#attempts > 0) {
      this.#parts.logger.info({}, "notifications of PostgreSQL arrive again");
      for (const topic of TOPICS) this.#notify(topic);
    }
    this.#attempts = 0;
  }

  #notify(topic: ChangeTopic, keys?: FleetKeys): void {
    for (const listener of this.#listeners) listener(topic, keys);
  }

  #onEnd(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#becomeWaiting(new Error("the connection was lost"));
  }

  #becomeWaiting(cause: unknown): void {
    if (this.#isStopped) return;
    if (this.#attempts === 0)
      this.#parts.logger.warn(
        { error: messageOf(cause) },
        "notifications of PostgreSQL do not arrive; changes wait for the next poll",
      );
    const delayMs = fullJitter(RECONNECT, this.#attempts, this.#parts.random);
    this.#attempts += 1;
    this.#cancelRetry = this.#parts.clock.after(delayMs, () => {
      this.#connecting = this.#connect();
    });
  }
}
