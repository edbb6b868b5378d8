import path from "node:path";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { Kubernetes } from "./kubernetes.ts";
import { ProcessKubelet } from "./process-kubelet.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
export const BASE = path.join(ROOT, "deploy/kustomize/base");
export const NODE_ACCOUNT = "skerry/skerry-node";

export interface ClusterWithPods {
  readonly kubernetes: Kubernetes;
  readonly cluster: SkerryCluster;
  /** Of two machines, `machine-1` in the zone north and `machine-2` in the zone south. */
  readonly kubelets: readonly ProcessKubelet[];
  stop(): Promise<void>;
}

/**
 * A Kubernetes with what `deploy/` has, whose pods are processes, and a control plane with `settings` beside it: with the
 * rights of its service account, and no others. What was started ends when a later start fails.
 */
export async function startClusterWithPods(settings: NodeJS.ProcessEnv): Promise<ClusterWithPods> {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    for (const each of started.toReversed()) await each.stop();
  };
  const owned = async <Started extends { stop(): Promise<void> }>(starting: Promise<Started>): Promise<Started> => {
    const each = await starting;
    started.push(each);
    return each;
  };
  try {
    const kubernetes = await owned(Kubernetes.start());
    await kubernetes.kubectl(["apply", "-k", BASE]);
    await kubernetes.kubectl(["-n", "skerry", "scale", "deployment/skerry-control-plane", "--replicas=0"]);
    const database = await owned(startTestDatabase());
    const token = await kubernetes.tokenOf("skerry/skerry-control-plane");
    const cluster = await owned(
      SkerryCluster.start(database.url, {
        KUBECONFIG: await kubernetes.kubeconfig("control-plane", token),
        SKERRY_POD_SERVICE_ACCOUNTS: NODE_ACCOUNT,
        ...settings,
      }),
    );
    const machine = (name: string, zone: string): Promise<ProcessKubelet> =>
      owned(ProcessKubelet.start(kubernetes, { name, zone, image: ROOT, env: { SKERRY_URL: cluster.url } }));
    const kubelets = [await machine("machine-1", "north"), await machine("machine-2", "south")];
    return { kubernetes, cluster, kubelets, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
