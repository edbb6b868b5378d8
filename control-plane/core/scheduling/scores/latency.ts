import type { FleetPlacement } from "../../fleet/types.ts";
import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";
import { hopMsTo } from "../hops.ts";
import { clampScore, type Score } from "./score.ts";

/** What an answer may take when the deployment names no SLO, in ms. */
const DEFAULT_BUDGET_MS = 250;

/**
 * How soon the node would answer those who ask: what their requests lose between control planes, the node's round trip, and the
 * service time measured there: where the model never ran, the median of the deployment's replicas, or none before there are any.
 */
export const latency: Score = {
  name: "latency",
  zeroMeans: "the answer takes the whole SLO (250 ms without one) or longer",
  hundredMeans: "instant",
  keyOf: (request) => `${budgetMs(request)} ${request.hops?.key ?? ""} ${keyOfTimes(request)}`,
  points(candidate, request, { own }) {
    const answerMs = answerTime(candidate, request, own);
    return answerMs === undefined ? undefined : clampScore(100 * (1 - answerMs / budgetMs(request)));
  },
  raw(candidate, request, { own }) {
    const answer = `${(answerTime(candidate, request, own) ?? 0).toFixed(1)} ms`;
    const hopMs = hopMsTo(candidate.node, request.hops);
    return hopMs === 0 ? answer : `${answer}, ${hopMs.toFixed(1)} ms of it between control planes`;
  },
};

const budgetMs = ({ deployment }: PlacementRequest): number => deployment.spec.slo?.p95Ms ?? DEFAULT_BUDGET_MS;

const keyOfTimes = ({ serviceUs }: PlacementRequest): string =>
  serviceUs === undefined ? "" : `${serviceUs.edge} ${serviceUs.cloud}`;

/** In ms; undefined without a load report. */
function answerTime(
  { node }: Candidate,
  { version, hops, serviceUs }: PlacementRequest,
  own: readonly FleetPlacement[],
): number | undefined {
  const rttMs = node.load?.rttMs;
  if (rttMs === undefined) return undefined;
  const here = own.find((placement) => placement.model === version.model && placement.warmUs !== undefined);
  return rttMs + hopMsTo(node, hops) + (here?.warmUs ?? serviceUs?.[node.kind] ?? 0) / 1_000;
}
