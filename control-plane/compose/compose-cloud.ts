import type { Clock } from "../../shared/base/clock.ts";
import type { Logger } from "../../shared/base/logging/logger.ts";
import type { Random } from "../../shared/base/random.ts";
import type { PostgresStores } from "../adapters/postgres/postgres.ts";
import type { ModelCatalog } from "../app/catalog/model-catalog.ts";
import { PoolAdmin } from "../app/cloud/pool-admin.ts";
import { PoolLoop } from "../app/cloud/pool-loop.ts";
import { PoolSources } from "../app/cloud/pool-sources.ts";
import type { ControlLoop } from "../app/control-loop/control-loop.ts";
import type { Leadership } from "../app/control-loop/leadership.ts";
import type { DeploymentAdmin } from "../app/deployments/deployment-admin.ts";
import type { FleetCache } from "../app/fleet/fleet-cache.ts";
import type { FleetWatches } from "../app/fleet/fleet-watches.ts";
import { createKubernetesSync } from "../app/kubernetes/create-kubernetes-sync.ts";
import { OwnerSweep } from "../app/kubernetes/owner-sweep.ts";
import type { NodeAdmin } from "../app/nodes/node-admin.ts";
import { PodJoin } from "../app/nodes/pod-join.ts";
import { PodSweep } from "../app/nodes/pod-sweep.ts";
import type { Config } from "../config.ts";
import type { NodeTimings } from "../core/fleet/node-status.ts";
import { openCloud } from "./open-cloud.ts";
import type { Tls } from "./open-tls.ts";
import type { NewEvent } from "../ports/events.ts";
import type { Keys } from "../ports/access/keys.ts";
import type { LeaderFence } from "../ports/plan.ts";

interface Parts {
  readonly postgres: PostgresStores;
  readonly fleet: FleetCache;
  readonly leadership: Leadership;
  readonly loop: ControlLoop;
  readonly keys: Keys;
  readonly cpId: string;
  readonly nodeUrls: readonly string[];
  readonly recordEvent: (event: NewEvent) => void;
  /** What custom resources declare. */
  readonly declared: {
    readonly deployments: DeploymentAdmin;
    readonly catalog: ModelCatalog;
    readonly nodes: NodeAdmin;
    readonly watches: FleetWatches;
  };
  readonly tls: Tls;
  readonly timings: NodeTimings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface ComposedCloud {
  readonly admin: PoolAdmin;
  readonly pools: PoolLoop;
  readonly join: PodJoin["join"];
  start(): void;
  /** Ends what changes pools, pods and custom resources. Requests are still served. */
  stopSteering(): Promise<void>;
  stop(): Promise<void>;
}

/** Puts together what has to do with pods and custom resources. Nothing runs before `start`. */
export async function composeCloud(config: Config, parts: Parts): Promise<ComposedCloud> {
  const { postgres, fleet, leadership, loop, keys, cpId, nodeUrls, recordEvent, declared } = parts;
  const { timings, clock, random, logger } = parts;
  const cloud = await openCloud(config, parts);
  const { pods, resources } = cloud;
  const sources = new PoolSources({
    settled: cloud.pools,
    declarations: postgres.poolDeclarations,
    open: cloud.openPool,
    site: config.podSite,
  });
  const admin = new PoolAdmin({
    sources,
    declarations: postgres.poolDeclarations,
    store: postgres.cloudPools,
    namespaces: new Set(config.podServiceAccounts.map((account) => account.split("/")[0] ?? "")),
  });
  const podJoin = new PodJoin({
    pods,
    store: postgres.pods,
    keys,
    random,
    cpId,
    urls: nodeUrls,
    siteOf: (pool) => sources.siteOf(pool),
    recordEvent,
  });
  const pools = new PoolLoop({
    sources,
    fleet,
    leadership,
    plans: postgres.plans,
    store: postgres.cloudPools,
    workersOf: (deployment) => loop.workersOf(deployment),
    onChange: () => loop.trigger("cloud-pool"),
    recordEvent,
    scaleDownMs: config.scaleDownMs,
    timings,
    clock,
    logger,
  });
  const lease = (): LeaderFence | undefined => leadership.current()?.fence;
  const podSweep = pods && new PodSweep({ pods, store: postgres.pods, lease, clock, logger });
  const kubernetes =
    resources &&
    createKubernetesSync(resources, {
      ...declared,
      pools: { admin, declarations: postgres.poolDeclarations, loop: pools },
      store: postgres.deployments,
      fleet,
      lease,
      clock,
      random,
      logger,
    });
  const ownerSweep = new OwnerSweep({
    store: postgres.owners,
    namespace: resources?.namespace,
    lead: () => leadership.current(),
    clock,
    logger,
  });
  return {
    admin,
    pools,
    join: (request, from) => podJoin.join(request, from),
    start() {
      podSweep?.start();
      kubernetes?.start();
      ownerSweep.start();
      if (sources.isUsed) pools.start();
    },
    async stopSteering() {
      await kubernetes?.stop();
      await ownerSweep.stop();
      await pools.stop();
      await podSweep?.stop();
    },
    stop: () => cloud.stop(),
  };
}
