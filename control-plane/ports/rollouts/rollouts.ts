import type { RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { Actor } from "../access/audit.ts";
import type { RolloutWrite } from "../plan.ts";

export interface RolloutRow {
  readonly number: number;
  readonly record: RolloutRecord;
  /** RFC 3339. */
  readonly beganAt: string;
  readonly phaseAt: string;
  readonly endedAt: string | null;
}

export interface RolloutStore {
  /** Writes what an operator's action makes of a rollout, with its audit row. False, and nothing changed, when `before` is not the newest any more. */
  act(
    write: RolloutWrite,
    by: { readonly action: string; readonly why?: string | undefined; readonly actor: Actor },
  ): Promise<boolean>;
  /** The rollouts of a deployment that are kept, newest first. */
  history(deployment: string): Promise<readonly RolloutRow[]>;
}
