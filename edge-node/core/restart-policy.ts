import { fullJitter, type BackoffPolicy } from "../../shared/flow/backoff.ts";
import type { Random } from "../../shared/base/random.ts";
import type { PlacementFailure } from "../../shared/protocol/placement.ts";

/** Crashes within `CRASH_WINDOW_MS` after which a model host is not started again. A host killed because its model hung counts. */
export const MAX_CRASHES = 3;
export const CRASH_WINDOW_MS = 60_000;

/** The first restart comes within 200 ms: a crash that one odd request caused should cost nobody else much. */
const RESTART: BackoffPolicy = { baseMs: 200, maxMs: 10_000 };

/**
 * The control plane tries a failed placement again after 15 min. The node does so by itself only later, for the case
 * that nobody is there to ask.
 */
export const LATE_RETRY_MS = 20 * 60_000;

export type AfterCrash = { readonly kind: "restart"; readonly at: number } | { readonly kind: "give-up" };

/** When the crashes of one placement happened, oldest first; those out of the window are forgotten. */
export type CrashHistory = readonly number[];

/** The history with a crash at `now`, and what follows from it. */
export function afterCrash(
  history: CrashHistory,
  now: number,
  random: Random,
): { readonly history: CrashHistory; readonly next: AfterCrash } {
  const crashes = [...history.filter((at) => now - at < CRASH_WINDOW_MS), now];
  if (crashes.length >= MAX_CRASHES) return { history: [], next: { kind: "give-up" } };
  return {
    history: crashes,
    next: { kind: "restart", at: now + fullJitter(RESTART, crashes.length - 1, random) },
  };
}

/** Whether the same bytes on the same machine may do better later. The others fail for what the model is. */
export function mayHeal(code: PlacementFailure): boolean {
  return code !== "LOAD_FAILED" && code !== "WARMUP_FAILED" && code !== "INCOMPATIBLE";
}
