import type { SkerryEvent } from "../../shared/api/v1/events.ts";

/** Something that happened, to be kept in the same transaction as its cause. */
export interface NewEvent {
  readonly type: "Normal" | "Warning";
  /** CamelCase, past tense: `PlacementReady`. */
  readonly reason: string;
  /** What it happened to: `node/edge-a`. */
  readonly object: string;
  readonly message: string;
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
