import type { ScoreWeights } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { bytesWhole } from "./filters/bytes-whole.ts";
import { fitsDisk } from "./filters/fits-disk.ts";
import { fitsMemory, nodeLargeEnough } from "./filters/fits-memory.ts";
import type { Filter } from "./filters/filter.ts";
import { placementLimit } from "./filters/placement-limit.ts";
import { noRecentFailure } from "./filters/no-recent-failure.ts";
import { nodeConnected } from "./filters/node-connected.ts";
import { nodeSchedulable } from "./filters/node-schedulable.ts";
import { nodeTrusted } from "./filters/node-trusted.ts";
import { onePerNode } from "./filters/one-per-node.ts";
import { pushInTime } from "./filters/push-in-time.ts";
import { pushSlot } from "./filters/push-slot.ts";
import { residencyFilter } from "./filters/residency.ts";
import { runtimeSupported } from "./filters/runtime-supported.ts";
import { streamLimit } from "./filters/stream-limit.ts";
import { selectorMatches } from "./filters/selector-matches.ts";
import { balance } from "./scores/balance.ts";
import { cost } from "./scores/cost.ts";
import { headroom } from "./scores/headroom.ts";
import { latency } from "./scores/latency.ts";
import { reliability } from "./scores/reliability.ts";
import type { Score } from "./scores/score.ts";
import { spread } from "./scores/spread.ts";
import { warmStart } from "./scores/warm-start.ts";

/** Which filters hold and what each score weighs. The name goes into every explain record. */
export interface Profile {
  readonly name: string;
  /** Cheapest first; the first refusal is the one that is shown. */
  readonly filters: readonly Filter[];
  /** Weights sum to 1. */
  readonly scores: readonly { readonly score: Score; readonly weight: number }[];
}

export const DEFAULT_PROFILE: Profile = {
  name: "default-1",
  filters: [
    bytesWhole,
    residencyFilter,
    selectorMatches,
    runtimeSupported,
    nodeLargeEnough,
    nodeConnected,
    nodeSchedulable,
    nodeTrusted,
    noRecentFailure,
    onePerNode,
    placementLimit,
    streamLimit,
    fitsMemory,
    fitsDisk,
    pushInTime,
    pushSlot,
  ],
  scores: [
    { score: latency, weight: 0.25 },
    { score: warmStart, weight: 0.2 },
    { score: headroom, weight: 0.15 },
    { score: spread, weight: 0.15 },
    { score: reliability, weight: 0.1 },
    { score: cost, weight: 0.1 },
    { score: balance, weight: 0.05 },
  ],
};

/** The profile in which a deployment's own weights take the place of others, all scaled to a sum of 1. */
export function withWeights(profile: Profile, weights: ScoreWeights): Profile {
  const own: Readonly<Record<string, number | undefined>> = weights;
  const scores = profile.scores.map(({ score, weight }) => ({ score, weight: own[score.name] ?? weight }));
  const sum = scores.reduce((total, { weight }) => total + weight, 0);
  return {
    ...profile,
    name: `${profile.name} with weights of the deployment`,
    scores: scores.map(({ score, weight }) => ({ score, weight: weight / sum })),
  };
}

/** What the node is, not how it is now: a placement that fails one of these has to leave. */
export const STATIC_FILTERS: readonly Filter[] = [residencyFilter, selectorMatches];
