import { setTimeout as delay } from "node:timers/promises";
import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { PrismaClient, type Prisma } from "../../../prisma/generated/client.ts";
import { fullJitter, type BackoffPolicy } from "../../../shared/flow/backoff.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { kindOf, storageFull, unavailable } from "./database-errors.ts";

const ANSWER_MS = 2_000;
/** A connection may be in one use for so many times as long: as long as the server lets one statement run. */
const USES = 2.5;
/** A transaction that was left open ends in this time. */
const IDLE_MS = 10_000;
const MAX_RETRIES = 5;
const RETRY: BackoffPolicy = { baseMs: 10, maxMs: 200 };

export type Transaction = Prisma.TransactionClient;

export interface DatabaseOptions {
  readonly url: string;
  readonly poolSize: number;
  readonly logger: Logger;
  readonly random: Random;
  /** How long a caller waits at most, in ms. Default: 2,000. */
  readonly answerMs?: number | undefined;
}

/**
 * Prisma over a bounded pool. Every call ends in time (2 s) or throws `DATABASE_UNAVAILABLE`, whether the server refuses,
 * hangs, is full or went away half-way; what a late call still did is unknown to the caller. Lost connections are
 * replaced, and never end the process.
 */
export class Database {
  readonly #pool: pg.Pool;
  readonly #prisma: PrismaClient;
  readonly #logger: Logger;
  readonly #random: Random;
  readonly #answerMs: number;
  readonly #useMs: number;
  #isAnswering = true;

  constructor({ url, poolSize, logger, random, answerMs = ANSWER_MS }: DatabaseOptions) {
    this.#logger = logger;
    this.#random = random;
    this.#answerMs = answerMs;
    this.#useMs = USES * answerMs;
    this.#pool = new pg.Pool({
      connectionString: inUtc(url),
      max: poolSize,
      connectionTimeoutMillis: answerMs,
      application_name: "skerry",
      keepAlive: true,
      // The server gives up by itself too, so that what we left behind does not pile up there.
      statement_timeout: this.#useMs,
      lock_timeout: answerMs,
      idle_in_transaction_session_timeout: IDLE_MS,
    });
    boundUse(this.#pool, this.#useMs);
    this.#prisma = new PrismaClient({ adapter: new PrismaPg(this.#pool) });
  }

  /** One statement, or several that need not be of one piece. */
  run<Result>(work: (client: PrismaClient) => Promise<Result>): Promise<Result> {
    return this.#repeat(() => work(this.#prisma), this.#answerMs);
  }

  /** All of `work` or nothing. Repeated as a whole, at most five times, after a deadlock or serialization failure. */
  transaction<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    return this.#transaction(work, { isolationLevel: "ReadCommitted", timeout: this.#answerMs });
  }

  /** A transaction of many thousand rows, which may take 2.5 times as long (5 s). */
  bulkTransaction<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    return this.#transaction(work, { isolationLevel: "ReadCommitted", timeout: this.#useMs });
  }

  /** Reads that all see the same state. */
  snapshot<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    return this.#transaction(work, { isolationLevel: "RepeatableRead", timeout: this.#answerMs });
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#prisma.$disconnect();
    await this.#pool.end();
  }

  #transaction<Result>(
    work: (tx: Transaction) => Promise<Result>,
    options: { readonly isolationLevel: Prisma.TransactionIsolationLevel; readonly timeout: number },
  ): Promise<Result> {
    return this.#repeat(
      () => this.#prisma.$transaction(work, { ...options, maxWait: this.#answerMs }),
      options.timeout,
    );
  }

  async #repeat<Result>(attempt: () => Promise<Result>, timeoutMs: number): Promise<Result> {
    for (let retries = 0; ; retries++) {
      try {
        const result = await within(timeoutMs, attempt());
        if (!this.#isAnswering) this.#logger.info({}, "PostgreSQL answers");
        this.#isAnswering = true;
        return result;
      } catch (error) {
        if (kindOf(error) !== "retryable") throw this.#translate(error);
        if (retries === MAX_RETRIES) {
          throw new SkerryError("CONFLICT", "others kept changing the same rows; nothing was changed", {
            retryAfterMs: 1_000,
            cause: error,
          });
        }
        await delay(fullJitter(RETRY, retries, this.#random));
      }
    }
  }

  #translate(error: unknown): unknown {
    const kind = kindOf(error);
    if (kind === "disk-full") return storageFull(error);
    if (kind !== "unavailable") return error;
    const translated = unavailable(error);
    if (this.#isAnswering) this.#logger.warn({ error: translated.message }, "PostgreSQL does not answer");
    this.#isAnswering = false;
    return translated;
  }
}

/** Prisma's adapter reads and writes instants without their zone: only in UTC is that right. */
function inUtc(url: string): string {
  const changed = new URL(url);
  changed.searchParams.set("options", `${changed.searchParams.get("options") ?? ""} -c TimeZone=UTC`.trim());
  return changed.href;
}

/**
 * Closes a connection that was taken and not returned in time: it hangs, and the next to take it would hang too. The
 * listener is what keeps the loss of a connection from ending the process.
 */
function boundUse(pool: pg.Pool, useMs: number): void {
  const watches = new WeakMap<pg.PoolClient, NodeJS.Timeout>();
  pool.on("error", () => undefined);
  pool.on("connect", (client) => void client.on("error", () => undefined));
  pool.on(
    "acquire",
    (client) =>
      void watches.set(
        client,
        setTimeout(() => streamOf(client).destroy(), useMs),
      ),
  );
  pool.on("release", (_error, client) => clearTimeout(watches.get(client)));
}

/** A pool hands out real clients; its types forget their connection. */
const streamOf = (client: pg.PoolClient): pg.Connection["stream"] =>
  (client as pg.PoolClient & pg.Client).connection.stream;

function within<Result>(timeoutMs: number, work: Promise<Result>): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
