import type pg from "pg";
import type { Clock } from "../../../shared/base/clock.ts";
import { settle, type TestClock } from "../../support/test-clock.ts";

/** Turns of the event loop without a call to the database after which nothing is under way. */
const QUIET_TURNS = 5;

/** What a control plane sees of the story's clock until it is killed: then none of its timers fires any more. */
export class MortalClock implements Clock {
  readonly #clock: TestClock;
  isDead = false;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  now = (): number => this.#clock.now();
  wallNow = (): number => this.#clock.wallNow();
  after(ms: number, callback: () => void): () => void {
    return this.#clock.after(ms, () => {
      if (!this.isDead) callback();
    });
  }
}

/** Calls of the database one after the other, so that a story always runs in the same order. */
export class CallQueue {
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;

  /** `port`, each of whose methods waits for its turn. A killed control plane's calls are never made. */
  inOrder<Port extends object>(port: Port, owner: { readonly isDead: boolean }): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...given: readonly unknown[]): Promise<unknown> => {
          if (owner.isDead) return new Promise(() => undefined);
          this.#pending += 1;
          const call = this.#tail.then((): unknown => Reflect.apply(member, target, given));
          this.#tail = call.catch(() => undefined).finally(() => (this.#pending -= 1));
          return call;
        };
      },
    });
  }

  /** Resolves when no call is under way and none follows from the last one. */
  async idle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet += 1) {
      await settle();
      if (this.#pending > 0) quiet = -1;
    }
  }
}

/** A statement that makes everything in the database `seconds` older: for its leases and sessions, time passes. */
export async function agingStatement(sql: pg.Client): Promise<(seconds: number) => string> {
  const { rows } = await sql.query<{ table_name: string; columns: string[] }>(`
    SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type LIKE 'timestamp%'
      AND table_name NOT IN ('audit_log', 'events', '_prisma_migrations')
    GROUP BY table_name ORDER BY table_name`);
  return (seconds) =>
    rows
      .map(({ table_name: table, columns }) => {
        const changes = columns.map((column) => `"${column}" = "${column}" - interval '${seconds.toFixed(6)} seconds'`);
        return `UPDATE "${table}" SET ${changes.join(", ")};`;
      })
      .join("\n");
}
