import type { CascadeClosing } from "../../../core/cascade/opening.ts";
import { attemptTimeoutMs } from "../../../core/routing/attempt-timeout.ts";
import type { InferenceResponse } from "../inference-request.ts";

/** A deadline that one caller chose too short says nothing about the large model. In ms. */
const AMPLE_MS = 1_000;
/** A large model that is full, or has no replica, is not at fault. */
const UNDECIDED: ReadonlySet<CascadeClosing> = new Set(["residency", "unavailable", "deadline", "busy", "refused"]);

/** Why the caller does not get this answer of the large model; undefined: it does. */
export function whyNotTaken({ status, code, node, route }: InferenceResponse): CascadeClosing | undefined {
  if (status === 200) return undefined;
  if (code === "RESIDENCY_UNSATISFIABLE" || code === "EDGE_ONLY") return "residency";
  if (node === undefined) return route.reason === "late" ? "deadline" : "unavailable";
  if (code === "QUEUE_FULL") return "busy";
  if (code === "MODEL_NOT_READY" || code === "DRAINING") return "unavailable";
  return status < 500 ? "refused" : "failed";
}

/** Whether an answer that was not taken speaks against the large model, which had `withinMs` to begin it. */
export const isFault = (why: CascadeClosing, { code, route }: InferenceResponse, withinMs: number): boolean =>
  !UNDECIDED.has(why) &&
  (code !== "DEADLINE_EXCEEDED" || withinMs >= Math.max(AMPLE_MS, attemptTimeoutMs(route.etaMs ?? 0)));
