import type { Fleet, FleetDeployment, FleetNode, FleetVersion } from "../../../../control-plane/core/fleet/types.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { seededRandom, type Random } from "../../../../shared/base/random.ts";
import { aDeployment, aFleet, aNode, aVersion, NOW } from "../../../support/fleet/fleet-builder.ts";

const MIB = 1_048_576;

export interface LargeFleet {
  readonly nodes: readonly FleetNode[];
  readonly deployments: readonly FleetDeployment[];
  readonly versions: readonly FleetVersion[];
  readonly fleet: Fleet;
}

/** Nodes of several sizes at 100 sites, one in ten in the cloud, and a deployment for each of as many models. */
export function largeFleet(size: {
  readonly nodes: number;
  readonly deployments: number;
  readonly replicas: number;
}): LargeFleet {
  const random = seededRandom(14);
  const one = <Of>(of: readonly [Of, ...Of[]]): Of => of[Math.floor(random.next() * of.length)] ?? of[0];
  const nodes = Array.from({ length: size.nodes }, (_, at) => {
    const kind: NodeKind = at % 10 === 0 ? "cloud" : "edge";
    const site = `site-${at % 100}`;
    const labels = { gpu: String(random.next() < 0.2), tier: one(["a", "b", "c"]) };
    const node = aNode(`node-${String(at).padStart(5, "0")}`, { kind, site, zone: site, labels });
    const { capabilities } = node;
    return withLoad(
      { ...node, capabilities: capabilities && { ...capabilities, memMiB: one([4_096, 8_192, 16_384]) } },
      random,
    );
  });
  const versions = Array.from({ length: size.deployments }, (_, at) =>
    aVersion(`model-${at}`, 1, { bytes: Math.ceil(random.next() * 400) * MIB + at }),
  );
  const deployments = versions.map(({ model }, at) =>
    aDeployment({
      name: `deployment-${String(at).padStart(4, "0")}`,
      model,
      version: 1,
      placement: {
        edge: { min: size.replicas - 1 },
        cloud: { min: 1 },
        ...(at % 5 === 0 && { where: { matchLabels: { tier: one(["a", "b", "c"]) } } }),
      },
      ...(at % 3 === 0 && { slo: { p95Ms: one([50, 100, 200]) } }),
    }),
  );
  return { nodes, deployments, versions, fleet: aFleet({ nodes, deployments, versions }) };
}

/** The same node after another load report. */
export function withLoad(node: FleetNode, random: Random): FleetNode {
  const load = {
    at: NOW,
    cpuPct: Math.round(random.next() * 600) / 10,
    memFreeMiB: 3_000,
    diskFreeMiB: 60_000 + Math.floor(random.next() * 30_000),
    rttMs: 1 + Math.round(random.next() * 800) / 10,
    rif: 0,
    placements: [],
  };
  return { ...node, load };
}
