import type { Role } from "../../shared/api/v1/keys.ts";

/** Who does something through the API: becomes the audit row. */
export interface Actor {
  readonly name: string;
  readonly role: Role;
  readonly keyId: string | null;
  readonly models: readonly string[];
  readonly address: string;
  readonly requestId: string;
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
