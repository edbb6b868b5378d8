/** Ends of a request that say nothing of the version that was asked: there was no room for it, or nobody to ask. */
const UNCOUNTED: ReadonlySet<string> = new Set([
  "QUEUE_FULL",
  "MODEL_NOT_READY",
  "RESIDENCY_UNSATISFIABLE",
  "CANCELLED",
  "DRAINING",
]);

/** Whether an answer with this code is left out of a rollout's evidence. `code`: undefined of one that succeeded. */
export const isUncounted = ({ code }: { readonly code?: string | undefined }): boolean =>
  code !== undefined && UNCOUNTED.has(code);
