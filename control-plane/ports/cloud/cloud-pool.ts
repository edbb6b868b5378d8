import type { CloudPoolSpec, PoolFindings } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import type { Actor } from "../access/audit.ts";
import type { LeaderFence, PlanOutcome } from "../plan.ts";

/** One process of a pool that is a node, or is about to be one, of its own name. */
export interface PoolPod {
  readonly name: string;
  /** `pending`: it does not run yet. `ending`: it has been told to go. `failed`: it never runs again, and another replaces it. */
  readonly state: "pending" | "running" | "ending" | "failed";
  /** What keeps it from running, or ended it last, in the words of what runs it; undefined: nothing. */
  readonly trouble: string | undefined;
  /** When it was made, ms since 1970. */
  readonly createdAt: number;
}

export interface PoolObservation {
  /** Pods that are asked for. */
  readonly replicas: number;
  readonly pods: readonly PoolPod[];
  /** Labels that its nodes have. */
  readonly labels: Readonly<Record<string, string>>;
  /** Memory of one of its nodes, in MiB; undefined while it is not known. */
  readonly memMiB: number | undefined;
  readonly cpus: number | undefined;
  /** Why the pool as a whole makes no pods; undefined: it does. */
  readonly trouble: string | undefined;
}

export interface PoolScale {
  /** The number that was observed: when it is another one by now nothing is changed. */
  readonly from: number;
  readonly to: number;
  /** Names of pods that go before others. */
  readonly remove: readonly string[];
}

/** Cloud nodes that are scaled together. */
export interface CloudPool {
  readonly name: string;
  /** Throws `CLUSTER_UNAVAILABLE`. */
  observe(): Promise<PoolObservation>;
  /** Sets the number of pods. False when it was changed by somebody else meanwhile. Throws `CLUSTER_UNAVAILABLE`. */
  scale(change: PoolScale): Promise<boolean>;
}

/** A pool that the API or a custom resource declares. */
export interface DeclaredPool {
  readonly spec: CloudPoolSpec;
  readonly rowVersion: number;
  /** Of the CloudPool that declares it; null: the API does. */
  readonly kubernetesNamespace: string | null;
}

interface PoolChange<Condition = number | undefined> {
  readonly actor: Actor;
  readonly ifMatch: Condition;
}

/** Pools that are declared, beside those of the settings. Every method throws `DATABASE_UNAVAILABLE`. */
export interface PoolDeclarations {
  list(): Promise<readonly DeclaredPool[]>;
  /**
   * Creates or replaces, with its event and audit entry. A custom resource takes over a pool that says the same.
   * `ifMatch` null: there must be none. Throws `CONFLICT` when somebody else declares it, or another pool scales its
   * Deployment, `STALE_ETAG`.
   */
  put(
    spec: CloudPoolSpec,
    change: PoolChange<number | null | undefined>,
  ): Promise<{ readonly created: boolean; readonly rowVersion: number }>;
  /** Throws `NOT_FOUND`, `CONFLICT` as `put`, `STALE_ETAG`. */
  delete(name: string, change: PoolChange): Promise<void>;
}

/** What the leader found of its pools, for every replica to show. */
export interface CloudPoolStore {
  /** Replaces what is recorded of all pools. Throws `DATABASE_UNAVAILABLE`. */
  record(fence: LeaderFence, pools: readonly PoolFindings[]): Promise<PlanOutcome>;
  /** What is recorded, with its age in ms. Throws `DATABASE_UNAVAILABLE`. */
  list(): Promise<readonly (PoolFindings & { readonly recordedAgeMs: number })[]>;
}
