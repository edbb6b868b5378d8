import path from "node:path";
import type { Clock } from "../shared/base/clock.ts";
import type { Logger } from "../shared/base/logger.ts";
import type { ConfiguredPool } from "./app/cloud/pool-loop.ts";
import type { Config } from "./config.ts";
import type { CustomResources } from "./ports/custom-resources.ts";
import type { PodCluster } from "./ports/pods.ts";

/** What cloud nodes come from, the pods of a cluster or processes of this machine, and what else a cluster declares. */
export interface Cloud {
  /** Undefined: nothing joins without a join token. */
  readonly pods?: PodCluster;
  readonly pools: readonly ConfiguredPool[];
  readonly resources?: CustomResources;
  /** Ends what was started for it. */
  stop(): Promise<void>;
}

/** Nothing is loaded for what is not configured. */
export async function openCloud(
  config: Config,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<Cloud> {
  const { podServiceAccounts, kubernetesNamespace: namespace, podSite: site, cloudPools, dataDir, port } = config;
  const stop = (): Promise<void> => Promise.resolve();
  const local = cloudPools.find(({ kubernetes }) => kubernetes === undefined);
  if (local) {
    const { ProcessPool } = await import("./adapters/process-pool/process-pool.ts");
    const directory = path.resolve(dataDir, "pools", local.name);
    const pool = new ProcessPool({ name: local.name, url: `http://127.0.0.1:${port}`, directory, clock, logger });
    return { pods: pool, pools: [{ settings: { ...local, site }, pool }], stop: () => pool.stop() };
  }
  if (podServiceAccounts.length === 0 && namespace === undefined) return { pools: [], stop };
  const { KubernetesApi } = await import("./adapters/kubernetes/api-client.ts");
  const { defaultCredentials } = await import("./adapters/kubernetes/credentials.ts");
  const { KubernetesPods } = await import("./adapters/kubernetes/pod-cluster.ts");
  const { KubernetesPool } = await import("./adapters/kubernetes/deployment-pool.ts");
  const { CustomResourceClient } = await import("./adapters/kubernetes/custom-resource-client.ts");
  const api = new KubernetesApi(await defaultCredentials());
  return {
    ...(podServiceAccounts.length > 0 && {
      pods: new KubernetesPods(api, { accounts: podServiceAccounts, now: () => clock.wallNow() }),
    }),
    pools: cloudPools.flatMap(({ kubernetes, name, min, max }) =>
      kubernetes
        ? [{ settings: { name, min, max, site }, pool: new KubernetesPool(api, { name, ...kubernetes }) }]
        : [],
    ),
    ...(namespace !== undefined && {
      resources: new CustomResourceClient(api, { namespace, now: () => clock.wallNow() }),
    }),
    stop,
  };
}
