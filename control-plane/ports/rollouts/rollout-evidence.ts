import type { CountedEvidence } from "../../core/rollout/gate/evidence.ts";
import type { Wave } from "../../core/rollout/gate/measured.ts";

/** What one control plane counted of one wave. */
export interface WaveEvidence extends Wave, CountedEvidence {}

/** What control-plane replicas tell the leader of the requests of rollouts. A replica that ended leaves what it wrote. */
export interface RolloutEvidenceStore {
  /**
   * Replaces what `replica` wrote of these waves, and removes what anyone wrote of earlier waves of the same deployments.
   * Deployments that are gone are passed over. Throws `DATABASE_UNAVAILABLE`.
   */
  report(replica: string, counted: readonly WaveEvidence[]): Promise<void>;
  /** What every other replica than `replica` wrote of these waves. Throws `DATABASE_UNAVAILABLE`. */
  ofOthers(replica: string, waves: readonly Wave[]): Promise<readonly WaveEvidence[]>;
}
