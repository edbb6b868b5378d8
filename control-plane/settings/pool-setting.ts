import type { z } from "zod";

/** A pool of cloud nodes as the settings say it. */
export interface PoolConfig {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Undefined: processes on this machine. */
  readonly kubernetes: { readonly namespace: string; readonly deployment: string } | undefined;
}

const POOL = /^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)=(?:process|([a-z0-9-]+)\/([a-z0-9.-]+)):(\d{1,5})-(\d{1,5})$/;

/** `NAME=NAMESPACE/DEPLOYMENT:MIN-MAX` or `NAME=process:MIN-MAX`, comma-separated. */
export function poolsOrComplain(text: string | undefined, context: z.RefinementCtx): readonly PoolConfig[] {
  const complain = (message: string): void => context.addIssue({ code: "custom", message });
  const pools = (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .flatMap((part) => {
      const [, name = "", , namespace, deployment = "", min, max] = POOL.exec(part) ?? [];
      if (name === "") complain(`${part} is not NAME=NAMESPACE/DEPLOYMENT:MIN-MAX`);
      const kubernetes = namespace === undefined ? undefined : { namespace, deployment };
      return name === "" ? [] : [{ name, min: Number(min), max: Number(max), kubernetes }];
    });
  for (const { name, min, max } of pools) if (max < min) complain(`${name} has a maximum below its minimum`);
  if (new Set(pools.map(({ name }) => name)).size < pools.length) complain("two pools have the same name");
  const named = pools.flatMap(({ kubernetes }) =>
    kubernetes ? [`${kubernetes.namespace}/${kubernetes.deployment}`] : [],
  );
  for (const twice of new Set(named.filter((each, index) => named.indexOf(each) < index)))
    complain(`two pools scale ${twice}`);
  return pools;
}

interface PoolSettings {
  readonly SKERRY_CLOUD_POOLS: readonly PoolConfig[];
  readonly SKERRY_POD_SERVICE_ACCOUNTS?: string | undefined;
  readonly SKERRY_KUBERNETES_NAMESPACE?: string | undefined;
  readonly SKERRY_PORT: number;
}

/** What the settings of pools and pods say together. */
export function poolComplaint({
  SKERRY_CLOUD_POOLS: pools,
  SKERRY_POD_SERVICE_ACCOUNTS: accounts,
  SKERRY_KUBERNETES_NAMESPACE: namespace,
  SKERRY_PORT: port,
}: PoolSettings): string | undefined {
  const isInCluster = accounts !== undefined || namespace !== undefined;
  if (pools.length === 0) return undefined;
  const local = pools.filter(({ kubernetes }) => kubernetes === undefined);
  if (local.length > 1) return "one pool of processes at most";
  if (local.length > 0 && (isInCluster || local.length < pools.length))
    return "a pool of processes is alone: nothing of Kubernetes is set beside it";
  if (local.length > 0 && port === 0) return "a pool of processes needs a SKERRY_PORT that is not 0";
  if (local.length === 0 && accounts === undefined)
    return "the pods of a Kubernetes pool join as SKERRY_POD_SERVICE_ACCOUNTS, which is not set";
  const namespaces = new Set(accounts?.split(",").map((account) => account.trim().split("/")[0]));
  const outside = pools.find(({ kubernetes }) => kubernetes && !namespaces.has(kubernetes.namespace));
  if (outside)
    return `the pods of ${outside.name} cannot join: SKERRY_POD_SERVICE_ACCOUNTS names none of ${outside.kubernetes?.namespace}`;
  return undefined;
}
