import { clampScore, UNKNOWN, type Score } from "./score.ts";

/** What an answer may take when the deployment names no SLO, in ms. */
const DEFAULT_BUDGET_MS = 250;

/** How soon the node would answer: round trip plus the service time measured there, or none if it never ran there. */
export const latency: Score = {
  name: "latency",
  zeroMeans: "the answer takes the whole SLO (250 ms without one) or longer",
  hundredMeans: "instant",
  of({ node, placements }, { deployment, version }) {
    const rttMs = node.load?.rttMs;
    if (rttMs === undefined) return UNKNOWN;
    const here = placements.find((placement) => placement.model === version.model && placement.warmUs !== undefined);
    const serviceMs = (here?.warmUs ?? 0) / 1_000;
    const budgetMs = deployment.spec.slo?.p95Ms ?? DEFAULT_BUDGET_MS;
    return {
      score: clampScore(100 * (1 - (rttMs + serviceMs) / budgetMs)),
      raw: `${(rttMs + serviceMs).toFixed(1)} ms`,
    };
  },
};
