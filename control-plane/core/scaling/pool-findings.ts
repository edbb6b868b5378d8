import type { PoolFindings, PoolPodState } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import type { NodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import type { Fleet, FleetNode } from "../fleet/types.ts";
import { isPresent, troubleOf, type ObservedPod, type Pool } from "./pool.ts";

/** What is so of a pool, without ages and figures that differ from one second to the next. */
export function poolFindings(
  fleet: Fleet,
  { pool, wanted }: { readonly pool: Pool; readonly wanted: number },
  stateOf: (node: FleetNode) => NodeState,
): PoolFindings {
  const nodes = new Map([...fleet.nodes.values()].map((node) => [node.name, node]));
  const pods = pool.pods
    .map((pod) => ({
      name: pod.name,
      state: podState(pod, nodes.get(pod.name), stateOf),
      trouble: pod.trouble ?? null,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const ready = pods.filter(({ state }) => state === "ready").length;
  const present = pool.pods.filter(isPresent).length;
  const draining = pods.filter(({ state }) => state === "draining").length;
  const { name, min, max, replicas } = pool;
  return {
    name,
    min,
    max,
    wanted,
    replicas,
    ready,
    pending: present - draining - ready + Math.max(0, replicas - present),
    trouble: troubleOf(pool) ?? null,
    pods,
  };
}

function podState(
  { state }: ObservedPod,
  node: FleetNode | undefined,
  stateOf: (node: FleetNode) => NodeState,
): PoolPodState {
  if (state !== "running") return state;
  if (node === undefined || node.revoked) return "joining";
  if (node.draining) return "draining";
  const is = stateOf(node);
  if (is === "ready") return "ready";
  return is === "pending" ? "joining" : "away";
}
