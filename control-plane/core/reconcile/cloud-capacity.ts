import type { ExplainRecord } from "../../../shared/api/v1/deployments/explain.ts";
import type { FleetDeployment } from "../fleet/types.ts";
import { canBringNodes, isPoolFor, troubleOf, type Pool } from "../scaling/pool.ts";
import { counted } from "../scheduling/format.ts";
import type { DeploymentPlan } from "../scheduling/planning/plan-deployment.ts";

export interface CloudCapacity {
  /** What keeps the deployment from going on. */
  readonly shortfall: readonly string[];
  /** Which pool brings the cloud nodes that it waits for; undefined: none has to, or none can. */
  readonly waitsForNodes: string | undefined;
}

/**
 * Replicas without a cloud node wait while a pool can bring one. Where none can, the status has its words: what is in the way
 * of its pods, or that it has all that it may have.
 */
export function cloudCapacity(
  deployment: FleetDeployment,
  { shortfall, cloudShortfall, records }: DeploymentPlan,
  pools: readonly Pool[],
): CloudCapacity {
  const fitting = pools.filter((pool) => isPoolFor(pool, deployment));
  const isHelped = !records.some(
    ({ kind, chosen, rejections }) => kind === "cloud" && chosen.length === 0 && rejections.some(holdsForNewNodes),
  );
  if (cloudShortfall.length === 0 || fitting.length === 0 || !isHelped) return { shortfall, waitsForNodes: undefined };
  const able = fitting.find((pool) => canBringNodes(pool));
  if (able) {
    const waitsForNodes = `pool ${able.name} brings cloud nodes for replicas that have none`;
    return { shortfall: shortfall.filter((each) => !cloudShortfall.includes(each)), waitsForNodes };
  }
  const why = fitting.map((pool) => {
    const trouble = troubleOf(pool);
    return `pool ${pool.name}: ${trouble ?? `has its maximum of ${counted(pool.max, "pod")}`}`;
  });
  return { shortfall: [...shortfall, ...why], waitsForNodes: undefined };
}

/** A new node of a pool would be refused as those that are there. One that has only joined has not said what it can run. */
const holdsForNewNodes = ({ code, verdict }: ExplainRecord["rejections"][number]): boolean =>
  code === "bytes-whole" || code === "no-recent-failure" || (code === "runtime-supported" && verdict === "never");
