import { formatDuration } from "../format.ts";
import { pushLimitMs } from "../needs/push-time.ts";
import type { Amount, Filter } from "./filter.ts";

/** Of the field `maxPushMinutes`: a week. */
const MAX_PUSH_MINUTES = 10_080;

/** Bytes in a ms. A node that has not been measured has any rate. */
const rate: Amount = {
  of: ({ pushBytesPerMs }) => pushBytesPerMs ?? Infinity,
  needed: (request) => request.version.bytes / pushLimitMs(request),
};

/**
 * All bytes of the version arrive within the limit at the rate that was measured. Where the node holds another version of the
 * model it is not known how many of them are missing: then they do.
 */
export const pushInTime: Filter = {
  code: "push-in-time",
  keyOf: rate.needed,
  amount: rate,
  refuse(candidate, request, own) {
    const bytesPerMs = rate.of(candidate);
    if (own.length > 0 || rate.needed(request) <= bytesPerMs) return undefined;
    const takes = formatDuration(request.version.bytes / bytesPerMs);
    const limit = formatDuration(pushLimitMs(request));
    return {
      verdict: "not now",
      sentence: `a push to ${candidate.node.name} takes ${takes} at the rate that was measured; the limit is ${limit}`,
      cause: `a push to ${candidate.node.name} takes longer than ${limit}`,
    };
  },
  wouldLift(candidate, { version }) {
    const minutes = Math.ceil(version.bytes / rate.of(candidate) / 60_000);
    return minutes <= MAX_PUSH_MINUTES ? `set placement.maxPushMinutes to ${minutes}` : undefined;
  },
};
