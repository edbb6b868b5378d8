import type { Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import type { Traffic, TrafficFigures, TrafficLoad } from "../../shared/api/v1/traffic.ts";

export interface DeploymentLoad {
  readonly name: string;
  readonly deployment: Deployment | undefined;
  readonly traffic: TrafficFigures | undefined;
}

export interface NodeLoad {
  readonly name: string;
  readonly node: Node;
  /** What it reported last; undefined: nothing yet. */
  readonly load: TrafficLoad | undefined;
  readonly traffic: TrafficFigures | undefined;
}

/** Every deployment, the busiest first; requests for which no deployment is known are a row of their own. */
export function deploymentLoads(
  deployments: readonly Deployment[],
  { deployments: measured }: Traffic,
): DeploymentLoad[] {
  const byName = new Map(measured.map((each) => [each.deployment ?? `– (${each.model})`, each]));
  const declared = new Map(deployments.map((each) => [each.name, each]));
  const names = new Set([...declared.keys(), ...byName.keys()]);
  return [...names]
    .map((name) => ({ name, deployment: declared.get(name), traffic: byName.get(name) }))
    .toSorted((a, b) => rateOf(b) - rateOf(a) || (a.name < b.name ? -1 : 1));
}

/** Every node, the busiest first: by requests, then by its processor. */
export function nodeLoads(nodes: readonly Node[], { nodes: measured, loads }: Traffic): NodeLoad[] {
  const byName = new Map(measured.map((each) => [each.node, each]));
  const reported = new Map((loads ?? []).map((each) => [each.node, each]));
  return nodes
    .map((node) => ({ name: node.name, node, load: reported.get(node.name), traffic: byName.get(node.name) }))
    .toSorted((a, b) => rateOf(b) - rateOf(a) || cpuOf(b) - cpuOf(a) || (a.name < b.name ? -1 : 1));
}

const rateOf = ({ traffic }: { readonly traffic: TrafficFigures | undefined }): number => traffic?.ratePerS ?? 0;
const cpuOf = ({ load }: NodeLoad): number => load?.cpuPct ?? 0;
