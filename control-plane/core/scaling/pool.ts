import type { FleetDeployment } from "../fleet/types.ts";
import { unmetRequirement } from "../scheduling/selector.ts";

/** What the operator says of a pool. */
export interface PoolSettings {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** The site of its nodes. */
  readonly site: string;
  /** Whether its nodes get the site by the label `pool`, which then has to be on its pods. */
  readonly needsPoolLabel?: boolean;
}

/** One process of a pool, as it was observed. */
export interface ObservedPod {
  readonly name: string;
  /** `failed`: it never runs again, and another replaces it. */
  readonly state: "pending" | "running" | "ending" | "failed";
  readonly trouble: string | undefined;
  readonly createdAt: number;
}

/** A pool as it was observed. */
export interface Pool extends PoolSettings {
  readonly replicas: number;
  readonly pods: readonly ObservedPod[];
  readonly labels: Readonly<Record<string, string>>;
  readonly memMiB: number | undefined;
  readonly cpus: number | undefined;
  readonly trouble: string | undefined;
}

/** Whether the pod still is, or will be, one of those that its pool was asked for. */
export const isPresent = ({ state }: Pick<ObservedPod, "state">): boolean => state !== "ending" && state !== "failed";

/** Whether nodes of the pool may hold replicas of the deployment, as far as labels, kind and site tell. */
export const isPoolFor = ({ labels, site }: Pick<Pool, "labels" | "site">, { spec }: FleetDeployment): boolean =>
  spec.placement.residency !== "edge-only" &&
  unmetRequirement(withoutPlace(spec.placement.where), { ...labels, kind: "cloud", site }) === undefined;

/** Zone and name are known of a node alone, so they keep no pool from growing. */
const withoutPlace = ({ matchLabels, matchExpressions }: FleetDeployment["spec"]["placement"]["where"]) => ({
  matchLabels: Object.fromEntries(Object.entries(matchLabels).filter(([key]) => !PLACE.has(key))),
  matchExpressions: matchExpressions.filter(({ key }) => !PLACE.has(key)),
});

const PLACE: ReadonlySet<string> = new Set(["zone", "name"]);

/** What keeps the pool from having the pods that are asked for; undefined: nothing. */
export function troubleOf({ pods, trouble }: Pick<Pool, "pods" | "trouble">): string | undefined {
  if (trouble !== undefined) return trouble;
  const [first, ...rest] = pods.filter((pod) => pod.state === "pending" && pod.trouble !== undefined);
  if (!first) return undefined;
  const others = rest.length === 0 ? "" : ` (and ${rest.length} more)`;
  return `${first.name}: ${first.trouble ?? ""}${others}`;
}

/** Its pods are on their way, or it may have more. */
export const canBringNodes = (pool: Pool): boolean =>
  troubleOf(pool) === undefined &&
  (pool.replicas < pool.max || pool.pods.filter(({ state }) => state === "running").length < pool.replicas);

/** Why nodes of the pool would not have the site that it declares. */
export function siteTrouble(
  { name, site, needsPoolLabel }: PoolSettings,
  { labels }: Pick<Pool, "labels">,
): string | undefined {
  if (needsPoolLabel !== true || labels["pool"] === name) return undefined;
  return `the template of its Deployment lacks the label skerry.dev/pool: ${name}, by which its nodes get the site ${site}`;
}
