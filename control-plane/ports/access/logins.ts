import type { SessionInfo } from "../../../shared/api/v1/access/login.ts";
import type { Role } from "../../../shared/api/v1/access/keys.ts";
import type { Actor, KeyHolder, Requester } from "./audit.ts";

/** Somebody who logged in at the identity provider, with the rights of that moment. */
export interface Person {
  readonly name: string;
  readonly role: Role;
  /** Of an application. */
  readonly models: readonly string[];
}

export interface StoredSession {
  readonly id: string;
  /** Of the key whose rights it has, for as long as that key is good; or of the person. */
  readonly keyId: string;
  /** Null: it has the rights of its key. */
  readonly person: Person | null;
  /** Hex SHA-256 of the secret in the cookie. */
  readonly secretHash: string;
  /** Until it ends, by the store's clock when it was read: after its life, or unused for too long. */
  readonly expiresInMs: number;
  /** By the store's clock, in ms since 1970. */
  readonly expiresAt: number;
  readonly idleUntil: number;
}

export interface NewSession {
  readonly id: string;
  readonly secretHash: string;
  readonly lifeMs: number;
  readonly idleMs: number;
  /** Null: of the key of its actor. */
  readonly person: Person | null;
  /** Sessions of one key or person, and of all. Beyond them those end that were unused for the longest time. */
  readonly maxPerKey: number;
  readonly maxTotal: number;
}

export interface NewCode {
  readonly id: string;
  readonly secretHash: string;
  readonly lifeMs: number;
  /** Of one key; the oldest go. */
  readonly maxPerKey: number;
}

/** Sessions in browsers, and the one-time codes by which they begin. Only hashes of secrets are kept. */
export interface LoginStore {
  find(id: string): Promise<StoredSession | null>;
  open(session: NewSession, actor: KeyHolder): Promise<StoredSession>;
  /** Consumes the code. Null when it is unknown, was used or has expired, or its key is void. */
  openByCode(
    code: { readonly id: string; readonly secretHash: string },
    session: NewSession,
    from: Requester,
  ): Promise<StoredSession | null>;
  /** Those that last. */
  list(): Promise<readonly SessionInfo[]>;
  /** Throws `NOT_FOUND`. */
  end(id: string, actor: Actor): Promise<void>;
  /** It is in use: it ends `idleMs` from now at the earliest, within its life. Best effort. */
  touch(id: string, idleMs: number): Promise<void>;
  /** Returns when the code expires, in ms since 1970. */
  createCode(code: NewCode, actor: KeyHolder): Promise<number>;
}
