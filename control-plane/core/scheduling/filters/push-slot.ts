import { formatDuration } from "../format.ts";
import { pushLimitMs, queuedPushMs } from "../needs/push-time.ts";
import type { Amount, Filter } from "./filter.ts";

/** The larger one is the shorter queue, in ms. */
const queue: Amount = {
  of: (candidate) => -queuedPushMs(candidate),
  needed: (request) => -pushLimitMs(request),
};

/**
 * A node receives one artifact at a time and queues the others. One whose queue takes longer than a push may take gets no
 * more; a shorter queue is no obstacle, or the second of two small models would wait for the first.
 */
export const pushSlot: Filter = {
  code: "push-slot",
  keyOf: queue.needed,
  amount: queue,
  refuse(candidate, request) {
    const queuedMs = queuedPushMs(candidate);
    const limitMs = pushLimitMs(request);
    if (queuedMs <= limitMs) return undefined;
    const { name } = candidate.node;
    return {
      verdict: "not now",
      sentence: `${name} receives other models for another ${formatDuration(queuedMs)}; the limit is ${formatDuration(limitMs)}`,
      cause: `${name} receives other models for longer than ${formatDuration(limitMs)}`,
    };
  },
};
