import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { DeploymentStore } from "../../ports/catalog.ts";
import type { CustomResources } from "../../ports/custom-resources.ts";
import type { Actor } from "../../ports/audit.ts";
import type { DeploymentAdmin } from "../deployments/deployment-admin.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";
import type { FleetWatches } from "../fleet/fleet-watches.ts";
import type { NodeAdmin } from "../nodes/node-admin.ts";
import { EdgeNodes } from "./edge-nodes.ts";
import { KubernetesSync } from "./kubernetes-sync.ts";
import type { ModelCatalog } from "../catalog/model-catalog.ts";
import type { ChangeSet } from "../../core/fleet/changes/change-set.ts";
import { ModelChanges } from "./model-changes.ts";
import { Models } from "./models.ts";
import { ModelDeployments } from "./model-deployments.ts";
import { ResourceController, type Reconciler } from "./resource-controller.ts";

interface Parts {
  readonly deployments: DeploymentAdmin;
  readonly catalog: ModelCatalog;
  readonly nodes: NodeAdmin;
  readonly store: Pick<DeploymentStore, "release">;
  readonly watches: FleetWatches;
  readonly fleet: Pick<FleetReader, "snapshot"> & { onChange(listener: (change: ChangeSet) => void): void };
  readonly isLeading: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What carries out the custom resources of `cluster`, one controller for each kind. */
export function createKubernetesSync(cluster: CustomResources, parts: Parts): KubernetesSync {
  const { deployments, catalog, nodes, store, watches, fleet, clock } = parts;
  const changes = new ModelChanges(fleet);
  const actor: Actor = {
    name: "kubernetes",
    role: "operator",
    keyId: null,
    models: [],
    address: "",
    requestId: "",
    kubernetesNamespace: cluster.namespace,
  };
  const reconcilers = (): readonly Reconciler[] => [
    new EdgeNodes({ cluster, nodes, watch: watches.nodes, actor, clock }),
    new Models({ cluster, catalog, changes, actor, clock }),
    new ModelDeployments({ cluster, deployments, store, watch: watches.deployments, fleet, actor, clock }),
  ];
  return new KubernetesSync({
    ...parts,
    controllers: () => reconcilers().map((reconciler) => new ResourceController(reconciler, { cluster, ...parts })),
  });
}
