import type { ExplainResponse } from "../../../../shared/api/v1/deployments/explain.ts";
import { isWanted, nodeByName, placementsOfDeployment, versionOf } from "../../fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../../fleet/types.ts";
import { targetVersion } from "../../fleet/versions/versions.ts";
import { candidatesOf } from "../candidates/candidate.ts";
import { profileOf, stateFor, type PlanContext } from "../context.ts";
import { needOf } from "../planning/plan-deployment.ts";
import { zoneSpread } from "../filters/zone-spread.ts";
import { changesToAdmit } from "./would-change.ts";
import { allRefusals, onlyZone, rank, replicasByZone, scoreOf } from "../candidates/rank.ts";

/** One node against every filter and score of a deployment. Null when there is no such node. */
export function whyNot(
  fleet: Fleet,
  deployment: FleetDeployment,
  nodeName: string,
  context: PlanContext,
): ExplainResponse["whyNot"] {
  const node = nodeByName(fleet, nodeName);
  if (!node) return null;
  const number = targetVersion(fleet, deployment);
  const version = number === undefined ? undefined : versionOf(fleet, deployment.spec.model, number);
  const nothing = { node: node.name, rejections: [], ranked: null, holds: false, wouldChange: null };
  if (!version) return { ...nothing, sentence: `${deployment.spec.model}:${deployment.spec.version} does not exist` };

  const all = candidatesOf(fleet, { stateOf: (each) => stateFor(each, context), now: context.now });
  const candidate = all.find((each) => each.node.id === node.id);
  if (!candidate) return null;
  const need = needOf(deployment, version, { ...context, fleet });
  const profile = profileOf(context, deployment);
  const candidates = all.filter((each) => each.node.kind === node.kind);
  const holds = placementsOfDeployment(fleet, deployment.name).some(
    (placement) => placement.nodeId === node.id && isWanted(placement),
  );
  const outside = onlyZone(need, replicasByZone(all, need).keys());
  const ranking = rank(candidates, need, { profile, outside });
  const free = ranking.feasible[0]?.candidate.node.zone;
  const crowded = ranking.crowded === undefined || free === undefined ? undefined : { zone: ranking.crowded, free };
  const rejections = allRefusals([...profile.filters, zoneSpread], candidate, { ...need, crowded }).map((refusal) => ({
    node: node.name,
    ...refusal,
  }));
  const ranked = scoreOf(candidate, need, { profile, byZone: replicasByZone(candidates, need) });
  const best = ranking.feasible.find((each) => each.candidate !== candidate);
  return {
    node: node.name,
    rejections,
    ranked: { node: node.name, total: ranked.total, scores: ranked.scores },
    holds,
    wouldChange: changesToAdmit(profile, candidate, { ...need, crowded })?.slice() ?? null,
    sentence: sentenceFor(node.name, {
      holds,
      first: rejections[0]?.sentence,
      total: ranked.total,
      best: best && { node: best.candidate.node.name, total: best.total },
    }),
  };
}

function sentenceFor(
  node: string,
  found: {
    holds: boolean;
    first: string | undefined;
    total: number;
    best: { node: string; total: number } | undefined;
  },
): string {
  if (found.holds) return `${node} holds it already`;
  if (found.first !== undefined) return found.first;
  if (!found.best) return `${node} fits (${found.total}); no more replicas are wanted`;
  const order = found.best.total >= found.total ? "before" : "after";
  return `${node} fits with ${found.total}, ${order === "before" ? "behind" : "ahead of"} ${found.best.node} with ${found.best.total}; no more replicas are wanted`;
}
