import { fullJitter, type BackoffPolicy } from "../../../shared/flow/backoff.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { PlacementFailure } from "../../../shared/protocol/placement.ts";
import type { CrashVerdict } from "./placement-states.ts";

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

/** When the next attempt of one placement may begin. */
export class RestartSchedule {
  #notBefore = 0;
  /** When they happened, oldest first; those out of the window are forgotten. */
  #crashes: readonly number[] = [];

  /** ms; Infinity: only a new generation is a new attempt. */
  get notBefore(): number {
    return this.#notBefore;
  }

  /** A new attempt: what happened before does not count. */
  reset(): void {
    this.#notBefore = 0;
    this.#crashes = [];
  }

  /** The next host may start now; crashes still count. */
  startAtOnce(): void {
    this.#notBefore = 0;
  }

  /** What a crash leads to: another start after a back-off, or the end of the attempt. */
  crashed(now: number, random: Random): CrashVerdict {
    const crashes = [...this.#crashes.filter((at) => now - at < CRASH_WINDOW_MS), now];
    const isOver = crashes.length >= MAX_CRASHES;
    this.#crashes = isOver ? [] : crashes;
    if (!isOver) this.#notBefore = now + fullJitter(RESTART, crashes.length - 1, random);
    return { kind: isOver ? "give-up" : "restart", crashes: this.#crashes.length };
  }

  /** The attempt ended. A cause that may pass is tried again later; the rest waits for a new generation. */
  failed(code: PlacementFailure, now: number): void {
    this.#notBefore = isTransient(code) ? now + LATE_RETRY_MS : Infinity;
  }
}

/** Whether the same bytes on the same machine may do better later. The others fail for what the model is. */
function isTransient(code: PlacementFailure): boolean {
  return code !== "SIGNATURE_INVALID" && code !== "LOAD_FAILED" && code !== "WARMUP_FAILED" && code !== "INCOMPATIBLE";
}
