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
  const said: Record<string, string> = {};
  for (const { secretRef } of container?.envFrom ?? [])
    Object.assign(said, await secretOf(parts.kubernetes, pod, secretRef?.name));
  for (const variable of container?.env ?? []) {
    if (variable.name in parts.env) continue;
    const value = await valueOf(variable, pod, parts);
    said[variable.name] = mapped(expanded(value, said), container, parts.directory);
  }
  return { ...said, ...parts.env };
}

/** `$(NAME)` is the value of a variable that comes before. */
const expanded = (value: string, before: Readonly<Record<string, string>>): string =>
  value.replaceAll(/\$\((\w+)\)/g, (reference, name: string) => before[name] ?? reference);

/** The texts of a Secret. Throws while there is none of that name. */
export async function secretOf(
  kubernetes: Kubernetes,
  pod: V1Pod,
  name = "",
): Promise<Readonly<Record<string, string>>> {
  const of = `/api/v1/namespaces/${pod.metadata?.namespace}/secrets/${name}`;
  const { data = {} } = (await kubernetes.get(of)) as V1Secret;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );
}

async function valueOf({ value = "", valueFrom }: V1EnvVar, pod: V1Pod, { kubernetes, ip }: Parts): Promise<string> {
  const { namespace = "", name = "" } = pod.metadata ?? {};
  const field = valueFrom?.fieldRef?.fieldPath;
  if (field === "metadata.name") return name;
  if (field === "metadata.namespace") return namespace;
  // All pods are on one machine: to listen on all of its addresses is to listen on those of others.
  if (field === "status.podIP" || value === "0.0.0.0") return ip;
  const of = valueFrom?.secretKeyRef;
  if (of) return (await secretOf(kubernetes, pod, of.name))[of.key] ?? "";
  if (valueFrom) throw new Error(`the test's kubelet does not know ${JSON.stringify(valueFrom)}`);
  return /^https?:\/\//.test(value) && !value.includes("skerry.example.com")
    ? resolved(kubernetes, namespace, new URL(value))
    : value;
}

/** A URL with the name of a Service becomes that of one of its ready pods. Throws while there is none. */
async function resolved(kubernetes: Kubernetes, namespace: string, { protocol, hostname, port }: URL): Promise<string> {
  const all = `/api/v1/namespaces/${namespace}`;
  const { spec } = (await kubernetes.get(`${all}/services/${hostname}`)) as V1Service;
  const selector = Object.entries(spec?.selector ?? {}).map(([name, label]) => `${name}=${label}`);
  const query = encodeURIComponent(selector.join(","));
  const { items } = (await kubernetes.get(`${all}/pods?labelSelector=${query}`)) as { items: V1Pod[] };
  const isReady = ({ status }: V1Pod): boolean =>
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;
  const address = items.find(isReady)?.status?.podIP;
  if (address === undefined) throw new Error(`no pod of ${hostname} is ready`);
  return `${protocol}//${address}:${port}`;
}

function mapped(value: string, container: V1Container | undefined, directory: string): string {
  const mounts = container?.volumeMounts ?? [];
  const mount = mounts.find(({ mountPath }) => value === mountPath || value.startsWith(`${mountPath}/`));
  return mount ? path.join(directory, mount.name) + value.slice(mount.mountPath.length) : value;
}
