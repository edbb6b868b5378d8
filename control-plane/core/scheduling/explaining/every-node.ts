import { nodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import type { NodeVerdict } from "../../../../shared/api/v1/deployments/explain.ts";
import { isWanted, placementsOfDeployment, versionOf } from "../../fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../../fleet/types.ts";
import { targetVersion } from "../../fleet/versions/versions.ts";
import { candidatesOf } from "../candidates/candidate.ts";
import { profileOf, stateFor, type PlanContext } from "../context.ts";
import { needOf } from "../planning/plan-deployment.ts";
import { changesToAdmit } from "./would-change.ts";
import { onlyZone, rank, replicasByZone } from "../candidates/rank.ts";

/**
 * Every node of the fleet against the version that a deployment asks for, as it would be decided now: of each kind first those
 * that fit, best first, with their points, then the others by name, each with the first filter that refuses it. Explain records
 * name some of them. None while that version does not exist.
 */
export function everyNode(fleet: Fleet, deployment: FleetDeployment, context: PlanContext): readonly NodeVerdict[] {
  const number = targetVersion(fleet, deployment);
  const version = number === undefined ? undefined : versionOf(fleet, deployment.spec.model, number);
  if (!version) return [];
  const need = needOf(deployment, version, { ...context, fleet });
  const profile = profileOf(context, deployment);
  const all = candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: context.now });
  const present = all.filter(({ state }) => state !== "revoked");
  const outside = onlyZone(need, replicasByZone(all, need).keys());
  const holding = new Set(
    placementsOfDeployment(fleet, deployment.name)
      .filter(isWanted)
      .map(({ nodeId }) => fleet.nodes.get(nodeId)?.name),
  );
  const waiting = [...fleet.nodes.values()].filter((node) => node.waiting !== undefined && !node.revoked);
  return nodeKind.options.flatMap((kind): NodeVerdict[] => {
    const ofKind = present.filter(({ node }) => node.kind === kind);
    const { feasible, rejections, crowded: zone } = rank(ofKind, need, { profile, outside });
    const free = feasible[0]?.candidate.node.zone;
    const crowded = zone === undefined || free === undefined ? undefined : { zone, free };
    const byName = new Map(ofKind.map((candidate) => [candidate.node.name, candidate]));
    const changesOf = (name: string): string[] | null => {
      const candidate = byName.get(name);
      return candidate ? (changesToAdmit(profile, candidate, { ...need, crowded })?.slice() ?? null) : null;
    };
    return [
      ...feasible.map(({ candidate: { node }, total }) => ({
        node: node.name,
        kind,
        holds: holding.has(node.name),
        total,
        refusal: null,
        wouldChange: [],
      })),
      ...rejections.map(({ node, code, verdict, sentence }) => ({
        node,
        kind,
        holds: holding.has(node),
        total: null,
        refusal: { code, verdict, sentence },
        wouldChange: changesOf(node),
      })),
      ...waiting
        .filter((node) => node.kind === kind)
        .map(({ name }) => ({
          node: name,
          kind,
          holds: false,
          total: null,
          refusal: waitsFor(name),
          wouldChange: ["approve it"],
        })),
    ];
  });
}

/** The planner does not know such a node, and no filter is asked. */
const waitsFor = (name: string) =>
  ({ code: "node-connected", verdict: "not now", sentence: `${name} waits for an operator to approve it` }) as const;
