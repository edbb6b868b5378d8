import { KubeConfig } from "@kubernetes/client-node";
import type { Credentials } from "./credentials.ts";

/** What KUBECONFIG or ~/.kube/config says, through client-node. Throws when neither is there. */
export function kubeconfig(config = defaultConfig()): Credentials {
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new Error("no Kubernetes cluster is configured: run in a pod with a service account, or set KUBECONFIG");
  return { server: cluster.server, applyTo: (options) => config.applyToHTTPSOptions(options) };
}

function defaultConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromDefault();
  return config;
}
