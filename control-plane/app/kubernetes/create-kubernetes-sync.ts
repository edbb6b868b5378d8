import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { DeploymentStore } from "../../ports/catalog/catalog.ts";
import type { CustomResources } from "../../ports/cloud/custom-resources.ts";
import { KUBERNETES } from "../../ports/access/audit.ts";
import type { LeaderFence } from "../../ports/plan.ts";
import type { DeploymentAdmin } from "../deployments/deployment-admin.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";
import type { FleetWatches } from "../fleet/fleet-watches.ts";
import type { NodeAdmin } from "../nodes/node-admin.ts";
import { CloudPools, type PoolParts } from "./cloud-pools.ts";
import { EdgeNodes } from "./edge-nodes.ts";
import { KubernetesSync } from "./kubernetes-sync.ts";
import type { ModelCatalog } from "../catalog/model-catalog.ts";
import type { ChangeSet } from "../../core/fleet/changes/change-set.ts";
import { ModelChanges } from "./model-changes.ts";
import { Models } from "./models.ts";
import { ModelDeployments } from "./model-deployments.ts";
import { ResourceController, type Reconciler } from "./resource-controller.ts";
import { whileLeading } from "./while-leading.ts";

interface Parts {
  readonly deployments: DeploymentAdmin;
  readonly catalog: ModelCatalog;
  readonly nodes: NodeAdmin;
  readonly pools: PoolParts;
  readonly store: Pick<DeploymentStore, "release">;
  readonly watches: FleetWatches;
  readonly fleet: Pick<FleetReader, "snapshot"> & { onChange(listener: (change: ChangeSet) => void): void };
  /** The lease, while this replica leads. */
  readonly lease: () => LeaderFence | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What carries out the custom resources of `cluster`, one controller for each kind. */
export function createKubernetesSync(cluster: CustomResources, parts: Parts): KubernetesSync {
  const { deployments, catalog, nodes, pools, store, watches, fleet, clock } = parts;
  const changes = new ModelChanges(fleet);
  const reconcilers = (lease: LeaderFence): readonly Reconciler[] => {
    const common = {
      cluster: whileLeading(cluster, () => parts.lease()?.token === lease.token),
      actor: { ...KUBERNETES, kubernetesNamespace: cluster.namespace, lease },
      clock,
    };
    return [
      new EdgeNodes({ ...common, nodes, watch: watches.nodes }),
      new CloudPools({ ...common, ...pools }),
      new Models({ ...common, catalog, changes }),
      new ModelDeployments({ ...common, deployments, store, watch: watches.deployments, fleet }),
    ];
  };
  return new KubernetesSync({
    ...parts,
    controllers: (lease) => reconcilers(lease).map((each) => new ResourceController(each, { cluster, ...parts })),
  });
}
