import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { CatalogStore, DeploymentStore } from "../../ports/catalog/catalog.ts";
import type { AuditRecorder, AuditStore } from "../../ports/access/audit.ts";
import type { EventStore } from "../../ports/events.ts";
import type { IdempotencyStore } from "../../ports/idempotency.ts";
import type { CloudPoolStore, PoolDeclarations } from "../../ports/cloud/cloud-pool.ts";
import type { OwnerStore } from "../../ports/cloud/custom-resources.ts";
import type { DemandStore } from "../../ports/demand.ts";
import type { RolloutEvidenceStore } from "../../ports/rollouts/rollout-evidence.ts";
import type { KeyStore } from "../../ports/access/keys.ts";
import type { LoginStore } from "../../ports/access/logins.ts";
import type { Clone, NodeAdminStore, PodNodeStore, SessionStore } from "../../ports/nodes/nodes.ts";
import type { RetentionStore } from "../../ports/retention.ts";
import type { RolloutStore } from "../../ports/rollouts/rollouts.ts";
import type { ChangeNotifier, ChangeTopic, FleetStore, LeadershipStore, PlanStore } from "../../ports/plan.ts";
import { PostgresAuditStore } from "./events/audit-store.ts";
import { PostgresCatalogStore } from "./catalog/catalog-store.ts";
import { Database } from "./database.ts";
import { PostgresDeploymentStore } from "./fleet/deployment-store.ts";
import { PostgresChangeNotifier } from "./change-notifier.ts";
import { PostgresEventStore } from "./events/event-store.ts";
import { PostgresRetentionStore } from "./events/retention-store.ts";
import { PostgresCloudPoolStore } from "./fleet/cloud-pool-store.ts";
import { PostgresPoolDeclarations } from "./fleet/pool-declarations.ts";
import { PostgresDemandStore } from "./fleet/demand-store.ts";
import { PostgresRolloutEvidenceStore } from "./fleet/rollouts/rollout-evidence-store.ts";
import { PostgresFleetStore } from "./fleet/snapshot/fleet-store.ts";
import { PostgresIdempotencyStore } from "./access/idempotency-store.ts";
import { PostgresKeyStore } from "./access/key-store.ts";
import { PostgresLoginStore } from "./access/login-store.ts";
import { PostgresLeadershipStore } from "./fleet/leadership-store.ts";
import { migrate } from "./migrate.ts";
import { PostgresNodeAdminStore } from "./fleet/nodes/node-admin-store.ts";
import { PostgresOwnerStore } from "./owner-store.ts";
import { PostgresPlanStore } from "./fleet/plan-store.ts";
import { PostgresPodNodeStore } from "./fleet/nodes/pod-nodes.ts";
import { PostgresRolloutStore } from "./fleet/rollouts/rollout-store.ts";
import { PostgresSessionStore } from "./fleet/nodes/session-store.ts";
import { controlPlaneId } from "./settings.ts";

export interface PostgresOptions {
  /** `postgresql://…`; TLS as its `sslmode` says. */
  readonly url: string;
  /** Of the role that owns the tables, when it is not that of `url`. */
  readonly migrationUrl?: string | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Connections beside those of the other lanes and the notifier's one. */
  readonly poolSize?: number;
  /** How long a call waits for the database at most, in ms. Default: 2,000. */
  readonly answerMs?: number;
  /** `false`: the role may not alter tables; throw when a migration is pending. */
  readonly migrate?: boolean;
}

/**
 * Connections that other work cannot take: what nodes cause (their identity, sessions, reports and events), and what must
 * never wait (the lease, and the record that this replica and its nodes live). Everything else shares the first pool.
 */
const LANES = { nodes: 4, vital: 2 } as const;

/** Every database port of the control plane. */
export interface PostgresStores {
  readonly leadership: LeadershipStore;
  readonly plans: PlanStore;
  readonly demand: DemandStore;
  readonly rolloutEvidence: RolloutEvidenceStore;
  readonly cloudPools: CloudPoolStore;
  readonly poolDeclarations: PoolDeclarations;
  readonly fleet: FleetStore;
  readonly sessions: SessionStore;
  readonly pods: PodNodeStore;
  readonly nodes: NodeAdminStore;
  readonly owners: OwnerStore;
  readonly catalog: CatalogStore;
  readonly deployments: DeploymentStore;
  readonly rollouts: RolloutStore;
  readonly keys: KeyStore;
  readonly logins: LoginStore;
  readonly events: EventStore;
  readonly audit: AuditStore & AuditRecorder;
  readonly idempotency: IdempotencyStore;
  readonly retention: RetentionStore;
  /** Silent until `listen`; its caller calls `stop`, before `close`. */
  readonly notifier: ChangeNotifier;
  /** Adds a listener for notifications, from `listen` on. */
  onNotify(listener: (topic: ChangeTopic) => void): void;
  /** Adds a listener for clones that control planes announce, from `listen` on. */
  onClone(listener: (clone: Clone) => void): void;
  /** `cp-…`: the same for every replica on this database, made by the first. */
  controlPlaneId(): Promise<string>;
  /** Waits for what is under way, then gives every connection back. */
  close(): Promise<void>;
}

/**
 * Brings the schema up to date and opens the stores. Throws `DATABASE_UNAVAILABLE`, and an `Error` that says what to do
 * when the schema cannot be brought up to date.
 */
export async function createPostgres(options: PostgresOptions): Promise<PostgresStores> {
  const { url, logger, clock, random, poolSize = 10, answerMs } = options;
  const { migrationUrl } = options;
  const roles = migrationUrl === undefined ? { url } : { url: migrationUrl, serviceUrl: url };
  const applied = await migrate({ ...roles, apply: options.migrate ?? true, answerMs });
  if (applied.length > 0) logger.info({ migrations: applied }, "the database schema was brought up to date");
  const database = new Database({ url, poolSize, logger, random, answerMs });
  const ofNodes = new Database({ url, poolSize: LANES.nodes, logger, random, answerMs });
  const vital = new Database({ url, poolSize: LANES.vital, logger, random, answerMs });
  const notifier = new PostgresChangeNotifier({ url, clock, random, logger });
  return {
    leadership: new PostgresLeadershipStore(vital),
    plans: new PostgresPlanStore(database),
    rollouts: new PostgresRolloutStore(database),
    cloudPools: new PostgresCloudPoolStore(database),
    poolDeclarations: new PostgresPoolDeclarations(database),
    demand: new PostgresDemandStore(database),
    rolloutEvidence: new PostgresRolloutEvidenceStore(database),
    fleet: new PostgresFleetStore(database),
    sessions: new PostgresSessionStore({ ofNodes, vital }),
    pods: new PostgresPodNodeStore(ofNodes),
    nodes: new PostgresNodeAdminStore(database),
    owners: new PostgresOwnerStore(database),
    catalog: new PostgresCatalogStore(database),
    deployments: new PostgresDeploymentStore(database),
    keys: new PostgresKeyStore(database),
    logins: new PostgresLoginStore(database),
    events: new PostgresEventStore({ reads: database, writes: ofNodes }),
    audit: new PostgresAuditStore(database),
    retention: new PostgresRetentionStore(database),
    idempotency: new PostgresIdempotencyStore(database),
    notifier,
    onNotify: (listener) => notifier.onChange(listener),
    onClone: (listener) => notifier.onClone(listener),
    controlPlaneId: () => controlPlaneId(database, random),
    close: async () => void (await Promise.all([database.close(), ofNodes.close(), vital.close()])),
  };
}
