import type { Pool } from "./pool.ts";

/** Weight of a new start in what a start takes. */
const WEIGHT = 0.3;

/**
 * How long nodes of a pool take from when they are asked for until they are ready, smoothed. Measured by those that were seen
 * before they were ready: a leader that has just begun has measured none. Remembers them.
 */
export class PoolStarts {
  /** By the names of pool and pod: when it was seen first. */
  #starting: ReadonlyMap<string, number> = new Map();
  readonly #startMs = new Map<string, number>();

  /** What is seen at `now` (ms). `isReady`: whether the node of a pod is. */
  update(pools: readonly Pool[], isReady: (pod: string) => boolean, now: number): void {
    const starting = new Map<string, number>();
    for (const { name, pods } of pools) {
      for (const pod of pods) {
        if (pod.state !== "pending" && pod.state !== "running") continue;
        const key = `${name} ${pod.name}`;
        const since = this.#starting.get(key);
        const ready = pod.state === "running" && isReady(pod.name);
        // One that is ready when it is seen first is no start, and one that was away is none either.
        if (ready && since !== undefined && since !== READY) this.#note(name, now - since);
        starting.set(key, ready ? READY : (since ?? now));
      }
    }
    this.#starting = starting;
  }

  /** In ms; undefined: none has started yet. */
  of(pool: string): number | undefined {
    return this.#startMs.get(pool);
  }

  /** Forgets the past: another replica leads. */
  reset(): void {
    this.#starting = new Map();
    this.#startMs.clear();
  }

  #note(pool: string, ms: number): void {
    const before = this.#startMs.get(pool);
    this.#startMs.set(pool, before === undefined ? ms : before + WEIGHT * (ms - before));
  }
}

/** Of a pod that has been ready: what comes later is no start. */
const READY = -1;
