import { type Clock, sleep } from "../../shared/base/clock.ts";
import type { Sample } from "./samples.ts";

/** One request. `dueAt`: from when its time counts, in ms of the clock. Never rejects but for an interrupt. */
export type Ask = (dueAt: number) => Promise<Sample>;

export interface LoadShape {
  /** Callers that each wait for their answer before they ask again; undefined: requests come at a rate. */
  readonly callers?: number;
  /** Requests per second, whether or not those before them are answered. */
  readonly rate?: number;
  readonly durationMs: number;
  readonly maxRequests: number;
}

/** Requests under way at most with a rate: beyond it this program would measure itself. */
export const MAX_IN_FLIGHT = 1_024;

/** Sends requests in the shape that is asked for, and resolves with how each ended when the last has. */
export async function applyLoad(
  ask: Ask,
  shape: LoadShape,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const endsAt = clock.now() + shape.durationMs;
  let sent = 0;
  const mayGoOn = (): boolean => !signal.aborted && clock.now() < endsAt && sent < shape.maxRequests;
  if (shape.rate === undefined) {
    const caller = async (): Promise<void> => {
      while (mayGoOn()) {
        sent += 1;
        samples.push(await ask(clock.now()));
      }
    };
    await Promise.all(Array.from({ length: shape.callers ?? 1 }, caller));
    return samples;
  }
  const gapMs = 1_000 / shape.rate;
  const startedAt = clock.now();
  const underWay = new Set<Promise<void>>();
  while (mayGoOn()) {
    // From its place in the schedule: a request that leaves late because this program is slow has waited.
    const dueAt = startedAt + sent * gapMs;
    if (dueAt >= endsAt) break;
    const leftMs = dueAt - clock.now();
    if (leftMs > 0) await sleep(clock, leftMs, signal).catch(() => undefined);
    sent += 1;
    if (underWay.size >= MAX_IN_FLIGHT) {
      samples.push({ ms: 0, code: "not sent: too many under way", node: undefined });
      continue;
    }
    const one: Promise<void> = ask(dueAt)
      .then((sample) => void samples.push(sample))
      .finally(() => underWay.delete(one));
    underWay.add(one);
  }
  await Promise.all(underWay);
  return samples;
}
