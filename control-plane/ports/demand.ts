import type { Demand, DemandReport } from "../core/scaling/demand.ts";

/** By the name of the deployment. */
export type Demands = ReadonlyMap<string, Demand>;

/** What control-plane replicas tell the leader of the requests that come to them. */
export interface DemandStore {
  /**
   * Replaces what the replica measured in one statement, and notifies all replicas. Deployments that are gone are passed over.
   * Throws `DATABASE_UNAVAILABLE`.
   */
  report(report: DemandReport): Promise<void>;
  /** What every other replica than `replica` measured that lives; those without demand are not in it. Throws `DATABASE_UNAVAILABLE`. */
  ofOthers(replica: string): Promise<readonly DemandReport[]>;
}
