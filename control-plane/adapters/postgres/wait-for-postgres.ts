import { fullJitter, type BackoffPolicy } from "../../../shared/flow/backoff.ts";
import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { isSkerryError, messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";

/** Short, so that a control plane serves within seconds of its database. */
const RETRY: BackoffPolicy = { baseMs: 500, maxMs: 5_000 };
/** SQLSTATE of a wrong password, a refused role and a missing database: waiting does not mend the settings. */
const WRONG_SETTINGS = new Set(["28000", "28P01", "3D000"]);

/**
 * The result of `open`, a step of the start, as soon as PostgreSQL answers. A control plane and its database often start
 * together, and one that exits leaves the order to chance. Throws what waiting does not mend: wrong settings, a schema that
 * cannot be migrated.
 */
export async function waitForPostgres<Result>(
  open: () => Promise<Result>,
  { clock, random, logger }: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
): Promise<Result> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await open();
    } catch (error) {
      if (!isWorthWaiting(error)) throw error;
      if (attempt === 0) logger.warn({ error: messageOf(error) }, "PostgreSQL does not answer; the start waits for it");
      await sleep(clock, fullJitter(RETRY, attempt, random));
    }
  }
}

function isWorthWaiting(error: unknown): boolean {
  if (!isSkerryError(error) || error.code !== "DATABASE_UNAVAILABLE") return false;
  const { cause } = error;
  const state = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return typeof state !== "string" || !WRONG_SETTINGS.has(state);
}
