import type { ExplainRecord } from "../../../../shared/api/v1/deployments/explain.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import type { PlacementRequest } from "../candidates/candidate.ts";
import { counted } from "../format.ts";
import type { Ranked, Rejection } from "../candidates/rank.ts";
import { TOP, type RankingSummary } from "./ranking-summary.ts";
import { needOn } from "../needs/variant-need.ts";
import { stableHash } from "../../hash.ts";

/** The record of one decision: who was asked, who refused and why, who won by how much and by what. */
export function explainDecision(
  ranking: RankingSummary,
  need: PlacementRequest,
  decision: {
    readonly chosen: Ranked | undefined;
    readonly kind: NodeKind;
    readonly profile: string;
    readonly trigger: string;
  },
): ExplainRecord {
  const { chosen, kind, profile, trigger } = decision;
  const { deployment, version } = need;
  const name = `${version.model}:${version.version}`;
  const variant = chosen && needOn(need, chosen.candidate.node).variant;
  const next = ranking.top.find(({ candidate }) => candidate !== chosen?.candidate);
  const { evaluated, feasible } = ranking;
  const isTie = chosen !== undefined && next?.total === chosen.total;
  return {
    id: `dec_${stableHash(`${deployment.name}|${deployment.generation}|${name}|${kind}|${need.now}|${chosen?.candidate.node.id ?? ""}`).toString(36)}`,
    modelVersion: name,
    deployment: deployment.name,
    generation: deployment.generation,
    profile,
    trigger,
    kind,
    evaluated,
    feasible,
    rejected: Object.fromEntries(ranking.refusals.map(({ count, first }) => [first.code, count])),
    rejections: ranking.rejections.map(({ node, code, verdict, sentence }) => ({ node, code, verdict, sentence })),
    top: ranking.top
      .slice(0, TOP)
      .map(({ candidate, total, scores }) => ({ node: candidate.node.name, total, scores })),
    chosen: chosen ? [chosen.candidate.node.name] : [],
    margin: chosen && next ? Math.round((chosen.total - next.total) * 10) / 10 : null,
    ...(variant && { variant }),
    tieBreak: isTie ? "rendezvous hash of version and node" : null,
    sentence: chosen
      ? chosenSentence(variant ? `${name} (${variant.name}: ${variant.why})` : name, {
          chosen,
          next,
          evaluated,
          kind,
          feasible,
          crowded: ranking.crowded,
        })
      : nobodySentence(name, ranking, { kind, sentenceOf: ({ sentence }) => sentence }),
  };
}

function chosenSentence(
  name: string,
  found: {
    readonly chosen: Ranked;
    readonly next: Ranked | undefined;
    readonly evaluated: number;
    readonly feasible: number;
    readonly kind: NodeKind;
    /** The zone in which all other replicas are, when another one was asked for. */
    readonly crowded: string | undefined;
  },
): string {
  const { chosen, next, evaluated, feasible, kind, crowded } = found;
  const fit = `${feasible} of ${counted(evaluated, `${kind} node`)} ${feasible === 1 ? "fits" : "fit"}`;
  const head = `${name} → ${chosen.candidate.node.name}`;
  const tail = crowded === undefined ? "" : `; all other replicas are in zone ${crowded}`;
  if (!next) return `${head} (${chosen.total}; ${fit})${tail}`;
  const compared = `${head} (${chosen.total}; next ${next.candidate.node.name}, ${next.total}; ${fit})`;
  return chosen.total >= next.total ? `${compared}: ${leadSentence(chosen, next)}${tail}` : `${compared}${tail}`;
}

/** The score that put the winner ahead. */
function leadSentence(chosen: Ranked, next: Ranked): string {
  let lead: { name: string; points: number } | undefined;
  for (const [name, mine] of Object.entries(chosen.scores)) {
    const points = mine.weight * (mine.score - (next.scores[name]?.score ?? 50));
    if (points > (lead?.points ?? 0.05)) lead = { name, points };
  }
  if (!lead) return "equal scores, the tie is broken by hash";
  return `ahead by ${lead.name} (${chosen.scores[lead.name]?.raw ?? ""} against ${next.scores[lead.name]?.raw ?? ""})`;
}

/** Why no node takes a version, in words that stay the same while the causes do. */
export const shortfallSentence = (name: string, ranking: RankingSummary, kind: NodeKind): string =>
  nobodySentence(name, ranking, { kind, sentenceOf: ({ sentence, cause }) => cause ?? sentence });

function nobodySentence(
  name: string,
  { evaluated, refusals }: RankingSummary,
  { kind, sentenceOf }: { readonly kind: NodeKind; readonly sentenceOf: (rejection: Rejection) => string },
): string {
  if (evaluated === 0)
    return `${name}: there is no ${kind} node; join one with \`skerry token create --kind ${kind} --print-join\``;
  const parts = refusals
    .toSorted((a, b) => b.count - a.count)
    .map(({ count, first }) => `${count} ${first.code} (${sentenceOf(first)})`);
  return `${name}: 0 of ${counted(evaluated, `${kind} node`)} fit: ${parts.join(", ")}`;
}
