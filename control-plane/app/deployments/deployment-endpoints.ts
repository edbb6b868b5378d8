import type { Endpoint } from "../../../shared/api/v1/inference.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import { placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement } from "../../core/fleet/types.ts";

/** Where a caller may go without the control plane: every placement that is desired, on a node that is not revoked. */
export function endpointsOf(
  fleet: Fleet,
  deployment: FleetDeployment,
  time: { readonly now: number; readonly timings: NodeTimings },
): Endpoint[] {
  return placementsOfDeployment(fleet, deployment.name).flatMap((placement) => {
    const node = fleet.nodes.get(placement.nodeId);
    if (placement.wanted !== "serve" || node === undefined || node.revoked) return [];
    return [endpointAt(node, placement, nodeState(node, time.now, time.timings))];
  });
}

function endpointAt(node: FleetNode, { model, version, state }: FleetPlacement, stateOfNode: string): Endpoint {
  const { localUrl, localKeys = false } = node.capabilities ?? {};
  return {
    node: node.name,
    kind: node.kind,
    site: node.site,
    version,
    state,
    nodeState: stateOfNode,
    url: localUrl === undefined ? null : `${localUrl}/v2/models/${model}/infer`,
    reach: localUrl === undefined ? "none" : isLoopback(localUrl) ? "machine" : "network",
    key: localUrl === undefined ? null : localKeys ? "node" : "none",
  };
}

/** What a node says is text from outside: only its beginning is looked at. */
const isLoopback = (url: string): boolean => /^https?:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/.test(url);

/** What a selector over endpoints may name. */
export const endpointLabels = ({
  node,
  kind,
  site,
  version,
  state,
  reach,
}: Endpoint): Readonly<Record<string, string>> => ({
  node,
  kind,
  site,
  version: String(version),
  state,
  reach,
});
