import type { ApiKeyInfo, KeyLimits, Role } from "../../../shared/api/v1/access/keys.ts";
import type { GrantedDeployment } from "../../core/access/decide.ts";
import type { Actor } from "./audit.ts";

export interface StoredKey {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** Those that it names, and those that have its labels now. */
  readonly models: readonly string[];
  /** Those that it names and that exist. */
  readonly deployments: readonly GrantedDeployment[];
  readonly limits: KeyLimits;
  /** Hex SHA-256 of the secret. */
  readonly secretHash: string;
  /** Until it expires, by the store's clock when it was read; null: it does not. Machines' clocks differ. */
  readonly expiresInMs: number | null;
  readonly revokedAt: number | null;
}

/** A key that lets callers in now. */
export interface GoodKey extends Pick<StoredKey, "id" | "role" | "models" | "deployments" | "limits" | "secretHash"> {
  /** By the store's clock, in ms since 1970; null: it does not expire. */
  readonly expiresAt: number | null;
  readonly expiresInMs: number | null;
}

export interface NewKey {
  readonly id: string;
  readonly name: string;
  readonly secretHash: string;
  readonly role: Role;
  readonly models: readonly string[];
  readonly modelLabels: Readonly<Record<string, string>>;
  readonly deployments: readonly string[];
  readonly limits: KeyLimits;
  /** Until it expires, by the store's clock; null: never. */
  readonly ttlMs: number | null;
}

export interface Rotation {
  /** Of the new key. */
  readonly id: string;
  readonly secretHash: string;
  /** Undefined: the time that the old key was made for. */
  readonly ttlMs: number | undefined;
  /** How long the old key stays good at most. */
  readonly overlapMs: number;
}

export interface KeyStore {
  find(id: string): Promise<StoredKey | null>;
  list(): Promise<readonly ApiKeyInfo[]>;
  /** Those that are neither revoked nor expired, by id, `limit` at most. */
  good(limit: number): Promise<readonly GoodKey[]>;
  create(key: NewKey, actor: Actor): Promise<ApiKeyInfo>;
  /** A new key with the name and the rights of an old one. Throws `NOT_FOUND`, and `CONFLICT` for one that is void or was rotated. */
  rotate(id: string, rotation: Rotation, actor: Actor): Promise<ApiKeyInfo>;
  /** Throws `NOT_FOUND`, and `CONFLICT` for the last admin key: without one nobody could make another. */
  revoke(id: string, actor: Actor): Promise<void>;
  /** Best effort; at most once a minute for each key. */
  touch(id: string): Promise<void>;
  /** True while no key exists: then the first admin key may be made. */
  isEmpty(): Promise<boolean>;
}

/** Ed25519 and unguessable bytes. */
export interface Keys {
  /** True when `signature` (base64url) over `text` is by the raw public key (base64url). Never throws. */
  verify(publicKey: string, text: string, signature: string): boolean;
  /** 32 random bytes, base64url. */
  secret(): string;
}

/** Its private key stays inside. */
export interface KeyPair {
  /** Raw, base64url. */
  readonly publicKey: string;
  /** The signature over `text`, base64url. */
  sign(text: string): string;
}
