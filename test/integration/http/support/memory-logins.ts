import { toInstant } from "../../../../shared/api/v1/common.ts";
import type { SessionInfo } from "../../../../shared/api/v1/access/login.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { Actor } from "../../../../control-plane/ports/access/audit.ts";
import type { LoginStore, NewSession, StoredSession } from "../../../../control-plane/ports/access/logins.ts";

interface Row {
  readonly id: string;
  readonly keyId: string;
  readonly person: StoredSession["person"];
  readonly secretHash: string;
  readonly expiresAt: number;
  idleUntil: number;
}

/** Sessions and codes in memory, by the test's clock. */
export class MemoryLogins implements LoginStore {
  readonly rows = new Map<string, Row>();
  readonly #codes = new Map<
    string,
    { readonly secretHash: string; readonly keyId: string; readonly expiresAt: number }
  >();
  readonly #clock: Clock;
  readonly #audit: (actor: Actor, verb: string, target: string) => void;

  constructor(clock: Clock, audit: (actor: Actor, verb: string, target: string) => void) {
    this.#clock = clock;
    this.#audit = audit;
  }

  async find(id: string): Promise<StoredSession | null> {
    const row = this.rows.get(id);
    return row ? this.#stored(row) : null;
  }

  async open(session: NewSession, actor: Actor & { readonly keyId: string }): Promise<StoredSession> {
    const { id, person, secretHash, lifeMs, idleMs, maxPerKey } = session;
    const now = this.#clock.wallNow();
    const row = { id, person, secretHash, keyId: actor.keyId, expiresAt: now + lifeMs, idleUntil: now + idleMs };
    this.rows.set(id, row);
    const ofKey = [...this.rows.values()].filter(({ keyId }) => keyId === actor.keyId);
    for (const { id: oldest } of ofKey.slice(0, Math.max(0, ofKey.length - maxPerKey))) this.rows.delete(oldest);
    this.#audit(actor, "open", `session/${id}`);
    return this.#stored(row);
  }

  async openByCode(
    { id, secretHash }: { readonly id: string; readonly secretHash: string },
    session: NewSession,
    from: { readonly address: string; readonly requestId: string },
  ): Promise<StoredSession | null> {
    const code = this.#codes.get(id);
    if (code?.secretHash !== secretHash || code.expiresAt <= this.#clock.wallNow()) return null;
    this.#codes.delete(id);
    return this.open(session, { name: code.keyId, role: "admin", keyId: code.keyId, models: [], ...from });
  }

  async list(): Promise<readonly SessionInfo[]> {
    return [...this.rows.values()].map(({ id, keyId, person, expiresAt, idleUntil }) => ({
      id,
      keyId,
      isOfKey: person === null,
      name: person?.name ?? keyId,
      role: person?.role ?? "viewer",
      expiresAt: toInstant(expiresAt),
      idleUntil: toInstant(idleUntil),
    }));
  }

  async end(id: string, actor: Actor): Promise<void> {
    if (!this.rows.delete(id)) throw new SkerryError("NOT_FOUND", `there is no session ${id}`);
    this.#audit(actor, "end", `session/${id}`);
  }

  async touch(id: string, idleMs: number): Promise<void> {
    const row = this.rows.get(id);
    if (row) row.idleUntil = this.#clock.wallNow() + idleMs;
  }

  async createCode(
    { id, secretHash, lifeMs }: { readonly id: string; readonly secretHash: string; readonly lifeMs: number },
    actor: Actor & { readonly keyId: string },
  ): Promise<number> {
    const expiresAt = this.#clock.wallNow() + lifeMs;
    this.#codes.set(id, { secretHash, keyId: actor.keyId, expiresAt });
    return expiresAt;
  }

  #stored(row: Row): StoredSession {
    return { ...row, expiresInMs: Math.min(row.expiresAt, row.idleUntil) - this.#clock.wallNow() };
  }
}
