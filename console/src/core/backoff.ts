const BASE_MS = 500;
const MAX_MS = 15_000;

/** Full jitter: how long to wait before attempt `attempt` (from 0) of a connection, in ms. `chance`: 0–1. */
export function backoffMs(attempt: number, chance: number): number {
  const most = Math.min(MAX_MS, BASE_MS * 2 ** Math.min(attempt, 10));
  return Math.round(most / 2 + (chance * most) / 2);
}
