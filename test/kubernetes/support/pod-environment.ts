import path from "node:path";
import type { V1Container, V1EnvVar, V1Pod, V1Secret, V1Service } from "@kubernetes/client-node";
import type { Kubernetes } from "./kubernetes.ts";

interface Parts {
  readonly kubernetes: Kubernetes;
  /** The pod's address. */
  readonly ip: string;
  /** Takes the place of what the manifest says. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the pod's volumes are. */
  readonly directory: string;
}

/**
 * The environment of a pod's container, whose paths become paths in the pod's folder. Throws while something that it
 * names is not there.
 */
export async function environmentOf(pod: V1Pod, parts: Parts): Promise<Readonly<Record<string, string>>> {
  const [container] = pod.spec?.containers ?? [];
  const env: Record<string, string> = { ...parts.env };
  for (const variable of container?.env ?? [])
    env[variable.name] ??= mapped(await valueOf(variable, pod, parts), container, parts.directory);
  return env;
}

async function valueOf({ value = "", valueFrom }: V1EnvVar, pod: V1Pod, { kubernetes, ip }: Parts): Promise<string> {
  const { namespace = "", name = "" } = pod.metadata ?? {};
  const field = valueFrom?.fieldRef?.fieldPath;
  if (field === "metadata.name") return name;
  if (field === "metadata.namespace") return namespace;
  // All pods are on one machine: to listen on all of its addresses is to listen on those of others.
  if (field === "status.podIP" || value === "0.0.0.0") return ip;
  const secret = valueFrom?.secretKeyRef;
  if (secret) {
    const { data = {} } = (await kubernetes.get(`/api/v1/namespaces/${namespace}/secrets/${secret.name}`)) as V1Secret;
    return Buffer.from(data[secret.key] ?? "", "base64").toString("utf8");
  }
  if (valueFrom) throw new Error(`the test's kubelet does not know ${JSON.stringify(valueFrom)}`);
  return value.startsWith("http://") ? resolved(kubernetes, namespace, new URL(value)) : value;
}

/** A URL with the name of a Service becomes that of one of its ready pods. Throws while there is none. */
async function resolved(kubernetes: Kubernetes, namespace: string, { hostname, port }: URL): Promise<string> {
  const all = `/api/v1/namespaces/${namespace}`;
  const { spec } = (await kubernetes.get(`${all}/services/${hostname}`)) as V1Service;
  const selector = Object.entries(spec?.selector ?? {}).map(([name, label]) => `${name}=${label}`);
  const query = encodeURIComponent(selector.join(","));
  const { items } = (await kubernetes.get(`${all}/pods?labelSelector=${query}`)) as { items: V1Pod[] };
  const isReady = ({ status }: V1Pod): boolean =>
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;
  const address = items.find(isReady)?.status?.podIP;
  if (address === undefined) throw new Error(`no pod of ${hostname} is ready`);
  return `http://${address}:${port}`;
}

function mapped(value: string, container: V1Container | undefined, directory: string): string {
  const mounts = container?.volumeMounts ?? [];
  const mount = mounts.find(({ mountPath }) => value === mountPath || value.startsWith(`${mountPath}/`));
  return mount ? path.join(directory, mount.name) + value.slice(mount.mountPath.length) : value;
}
