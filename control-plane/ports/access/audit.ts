import type { AuditHead } from "../../../shared/api/v1/events.ts";
import type { Role } from "../../../shared/api/v1/access/keys.ts";
import type { LeaderFence } from "../plan.ts";

/** Where a request came from. */
export interface Requester {
  /** Of the caller, whatever proxies are between. */
  readonly address: string;
  readonly requestId: string;
}

/** Who does something through the API: becomes the audit row. */
export interface Actor extends Requester {
  readonly name: string;
  readonly role: Role;
  readonly keyId: string | null;
  readonly models: readonly string[];
  /** Why, as the caller says. */
  readonly reason?: string | undefined;
  /** Of the custom resource through which it is done; undefined: it is done through the API. */
  readonly kubernetesNamespace?: string | undefined;
  /** Without which it may not be done: compared in the transaction, which changes nothing when somebody else leads by now. */
  readonly lease?: LeaderFence | undefined;
}

/** One who has an API key, or a session by one. */
export interface KeyHolder extends Actor {
  readonly keyId: string;
}

/** Who does what the cluster says: its pods, and custom resources. */
export const KUBERNETES: Actor = {
  name: "kubernetes",
  role: "operator",
  keyId: null,
  models: [],
  address: "",
  requestId: "",
};

export interface AuditStore {
  /** Newest first. */
  list(query: { before: string | null; limit: number }): Promise<readonly AuditRow[]>;
  /** Where the chain ends, and what the newest entry is, as of one moment. */
  head(): Promise<AuditHead>;
}

/** What happened without a change of its own, such as an attempt that was refused. */
export interface Notable {
  readonly actor: string;
  /** `10.0.0.7:51234`. */
  readonly address: string;
  /** `<object>.<verb>`. */
  readonly action: string;
  /** `<object>/<name>`. */
  readonly target: string;
  readonly detail: Record<string, unknown>;
}

export interface AuditRecorder {
  /** Rejects while PostgreSQL is away. Its caller bounds how often it is called. */
  record(notable: Notable): Promise<void>;
}

export interface AuditRow {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly keyId: string | null;
  readonly action: string;
  readonly target: string;
  readonly address: string;
  readonly requestId: string;
  readonly detail: Record<string, unknown>;
  /** Of the chain; null: from before the log had one. */
  readonly prev: string | null;
  readonly hash: string | null;
}
