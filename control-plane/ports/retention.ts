import type { LeaderFence } from "./plan.ts";

/** How long rows are kept that nothing needs any more, in days. */
export interface Retention {
  readonly eventDays: number;
  /** 0: without a limit. */
  readonly auditDays: number;
  /** Expired join tokens and rejected versions. */
  readonly leftoverDays: number;
}

export interface RetentionStore {
  /**
   * Deletes at most a thousand rows of each kind, and rejects nodes that nobody approved in time; nothing when the lease was
   * lost. Returns how many went.
   */
  sweep(fence: LeaderFence, retention: Retention): Promise<number>;
}
