import type { SkerryEvent } from "../../shared/api/v1/events.ts";
import type { Role } from "../../shared/api/v1/keys.ts";

/** Something that happened, to be kept in the same transaction as its cause. */
export interface NewEvent {
  readonly type: "Normal" | "Warning";
  /** CamelCase, past tense: `PlacementReady`. */
  readonly reason: string;
  /** What it happened to: `node/edge-a`. */
  readonly object: string;
  readonly message: string;
}

/** Who does something through the API: becomes the audit row. */
export interface Actor {
  readonly name: string;
  readonly role: Role;
  readonly keyId: string | null;
  readonly models: readonly string[];
  readonly address: string;
  readonly requestId: string;
}

export interface EventStore {
  append(events: readonly NewEvent[]): Promise<void>;
  /**
   * Events after `cursor` in commit order (null: from the beginning), oldest first; or, with `newest`, the last `limit`.
   * An event's `id` is the cursor that continues after it. Events of transactions that may still be overtaken are held back.
   */
  read(query: {
    after: string | null;
    limit: number;
    newest: boolean;
    object: string | undefined;
  }): Promise<readonly SkerryEvent[]>;
}

export interface AuditStore {
  /** Newest first. */
  list(query: { before: string | null; limit: number }): Promise<readonly AuditRow[]>;
}

export interface AuditRow {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly requestId: string;
  readonly detail: Record<string, unknown>;
}

export interface IdempotencyStore {
  /**
   * Claims the key. `new`: do the work, then `finish`. `done`: answer this again. `mismatch`: same key, other request.
   * `busy`: the first one is still under way.
   */
  begin(
    keyId: string,
    key: string,
    requestHash: string,
  ): Promise<
    { kind: "new" } | { kind: "done"; status: number; body: unknown } | { kind: "mismatch" } | { kind: "busy" }
  >;
  finish(keyId: string, key: string, reply: { status: number; body: unknown }): Promise<void>;
  /** The work failed: the key may be used again. */
  abandon(keyId: string, key: string): Promise<void>;
}
