import path from "node:path";
import type { Clock } from "../../shared/base/clock.ts";
import type { Logger } from "../../shared/base/logging/logger.ts";
import type { SettledPool } from "../app/cloud/pool-sources.ts";
import type { Config } from "../config.ts";
import type { Tls } from "./open-tls.ts";
import type { PoolConfig } from "../settings/pool-setting.ts";
import type { CustomResources } from "../ports/cloud/custom-resources.ts";
import type { CloudPool } from "../ports/cloud/cloud-pool.ts";
import type { PodCluster } from "../ports/cloud/pods.ts";

/** What cloud nodes come from, the pods of a cluster or processes of this machine, and what else a cluster declares. */
export interface Cloud {
  /** Undefined: nothing joins without a join token. */
  readonly pods?: PodCluster;
  /** Those of the settings. */
  readonly pools: readonly SettledPool[];
  /** For those that are declared; undefined: this control plane scales no Deployments. */
  readonly openPool?: (of: { name: string; namespace: string; deployment: string }) => CloudPool;
  readonly resources?: CustomResources;
  /** Ends what was started for it. */
  stop(): Promise<void>;
}

/** Nothing is loaded for what is not configured. */
export async function openCloud(
  config: Config,
  { tls, clock, logger }: { readonly tls: Tls; readonly clock: Clock; readonly logger: Logger },
): Promise<Cloud> {
  const { podServiceAccounts, kubernetesNamespace: namespace, podSite: site, cloudPools, dataDir } = config;
  const stop = (): Promise<void> => Promise.resolve();
  const local = cloudPools.find(({ kubernetes }) => kubernetes === undefined);
  if (local) {
    const { ProcessPool } = await import("../adapters/process-pool/process-pool.ts");
    const directory = path.resolve(dataDir, "pools", local.name);
    const { authoritiesFile } = tls;
    const pool = new ProcessPool({ name: local.name, url: urlHere(config), authoritiesFile, directory, clock, logger });
    return {
      pods: pool,
      pools: [{ settings: settingsOf(local, site), pool, deployment: null }],
      stop: () => pool.stop(),
    };
  }
  if (podServiceAccounts.length === 0 && namespace === undefined) return { pools: [], stop };
  const { KubernetesApi } = await import("../adapters/kubernetes/api-client.ts");
  const { defaultCredentials } = await import("../adapters/kubernetes/credentials.ts");
  const { KubernetesPods } = await import("../adapters/kubernetes/pod-cluster.ts");
  const { KubernetesPool } = await import("../adapters/kubernetes/deployment-pool.ts");
  const { CustomResourceClient } = await import("../adapters/kubernetes/custom-resource-client.ts");
  const api = new KubernetesApi(await defaultCredentials());
  return {
    ...(podServiceAccounts.length > 0 && {
      openPool: (of) => new KubernetesPool(api, of),
      pods: new KubernetesPods(api, { accounts: podServiceAccounts, now: () => clock.wallNow() }),
    }),
    pools: cloudPools.flatMap((of): readonly SettledPool[] => {
      const { kubernetes, name } = of;
      if (!kubernetes) return [];
      const { namespace: within, deployment } = kubernetes;
      const pool = new KubernetesPool(api, { name, ...kubernetes });
      return [{ settings: settingsOf(of, site), pool, deployment: { namespace: within, name: deployment } }];
    }),
    ...(namespace !== undefined && {
      resources: new CustomResourceClient(api, { namespace, now: () => clock.wallNow() }),
    }),
    stop,
  };
}

/** Where a process of this machine reaches the control plane: given certificates are for the names of its public URL alone. */
function urlHere({ tls, port, publicUrl }: Config): string {
  if (tls.mode === "files") return publicUrl;
  return `${tls.mode === "own" ? "https" : "http"}://127.0.0.1:${port}`;
}

const settingsOf = ({ name, min, max }: PoolConfig, site: string): SettledPool["settings"] => ({
  name,
  min,
  max,
  site,
});
