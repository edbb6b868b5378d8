import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { addHistograms, type LatencyHistogram } from "./latency-histogram.ts";

/** What both versions of a deployment did during one wave, over all control planes. */
export interface GateEvidence {
  readonly old: VersionEvidence;
  readonly new: VersionEvidence;
  /** What both did with the samples of the new version; undefined: they were asked none. */
  readonly samples?: Readonly<Record<"old" | "new", RequestEvidence>> | undefined;
}

/** What is counted of a wave. Requests of callers and samples apart: the versions get other parts of the former. */
export interface CountedEvidence {
  readonly old: RequestEvidence;
  readonly new: RequestEvidence;
  readonly samples: Readonly<Record<"old" | "new", RequestEvidence>>;
}

export interface VersionEvidence extends RequestEvidence {
  /** Replicas that are ready. */
  readonly replicas: number;
  /** Mean memory of their model hosts; undefined before one was measured. */
  readonly memoryMiB: number | undefined;
}

/** What is counted where requests pass and where nodes report: it adds up over control planes. */
export interface RequestEvidence {
  /** Answered or refused. Those whose caller left are in none of these figures. */
  readonly requests: number;
  /** Failed ones, by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of those that were answered with 200, by the kind of their node, from arrival to answer. */
  readonly latency: Readonly<Record<NodeKind, LatencyHistogram>>;
  /** Model hosts that ended by themselves. */
  readonly crashes: number;
  /** Of the new version: its answers to copies of requests, compared with what the callers got. */
  readonly shadow: ShadowEvidence;
}

export interface ShadowEvidence {
  /** Pairs of answers that were compared. */
  readonly compared: number;
  /** Those that decide alike. */
  readonly agreed: number;
  /** Largest difference between two values. */
  readonly largestDifference: number;
}

export const NO_REQUESTS: RequestEvidence = {
  requests: 0,
  errors: {},
  latency: { edge: [], cloud: [] },
  crashes: 0,
  shadow: { compared: 0, agreed: 0, largestDifference: 0 },
};

export const NOTHING_COUNTED: CountedEvidence = {
  old: NO_REQUESTS,
  new: NO_REQUESTS,
  samples: { old: NO_REQUESTS, new: NO_REQUESTS },
};

/** What the new version was asked, by callers and with its samples. */
export const requestsOfNew = ({ new: fresh, samples }: GateEvidence): number =>
  fresh.requests + (samples?.new.requests ?? 0);

export const errorsOf = ({ errors }: RequestEvidence): number =>
  Object.values(errors).reduce((sum, count) => sum + count, 0);

export function addEvidence(a: RequestEvidence, b: RequestEvidence): RequestEvidence {
  const codes = new Set([...Object.keys(a.errors), ...Object.keys(b.errors)]);
  return {
    requests: a.requests + b.requests,
    errors: Object.fromEntries([...codes].map((code) => [code, (a.errors[code] ?? 0) + (b.errors[code] ?? 0)])),
    latency: {
      edge: addHistograms(a.latency.edge, b.latency.edge),
      cloud: addHistograms(a.latency.cloud, b.latency.cloud),
    },
    crashes: a.crashes + b.crashes,
    shadow: {
      compared: a.shadow.compared + b.shadow.compared,
      agreed: a.shadow.agreed + b.shadow.agreed,
      largestDifference: Math.max(a.shadow.largestDifference, b.shadow.largestDifference),
    },
  };
}

/**
 * What callers asked between two looks at the counts of one wave, without samples and crashes. Undefined where a count has
 * become less: then the looks are not of the same control planes.
 */
export function callersSince(now: CountedEvidence, then: CountedEvidence): CountedEvidence | undefined {
  const [old, fresh] = [requestsSince(now.old, then.old), requestsSince(now.new, then.new)];
  return old && fresh && { ...NOTHING_COUNTED, old, new: fresh };
}

function requestsSince(now: RequestEvidence, then: RequestEvidence): RequestEvidence | undefined {
  const minus = (a: LatencyHistogram, b: LatencyHistogram) =>
    addHistograms(
      a,
      b.map((count) => -count),
    );
  const codes = [...new Set([...Object.keys(now.errors), ...Object.keys(then.errors)])];
  const errors = codes.map((code) => [code, (now.errors[code] ?? 0) - (then.errors[code] ?? 0)] as const);
  const since: RequestEvidence = {
    requests: now.requests - then.requests,
    errors: Object.fromEntries(errors.filter(([, count]) => count !== 0)),
    latency: {
      edge: minus(now.latency.edge, then.latency.edge),
      cloud: minus(now.latency.cloud, then.latency.cloud),
    },
    crashes: 0,
    shadow: {
      compared: now.shadow.compared - then.shadow.compared,
      agreed: now.shadow.agreed - then.shadow.agreed,
      largestDifference: now.shadow.largestDifference,
    },
  };
  const { requests, latency, shadow } = since;
  const counts = [requests, shadow.compared, shadow.agreed, ...latency.edge, ...latency.cloud];
  return [...counts, ...errors.map(([, count]) => count)].every((count) => count >= 0) ? since : undefined;
}

export const addCounted = (a: CountedEvidence, b: CountedEvidence): CountedEvidence => ({
  old: addEvidence(a.old, b.old),
  new: addEvidence(a.new, b.new),
  samples: { old: addEvidence(a.samples.old, b.samples.old), new: addEvidence(a.samples.new, b.samples.new) },
});
