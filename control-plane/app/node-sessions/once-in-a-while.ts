/** Remembers what was said of which node lately: some dial again without end, and each time the same could be said. */
export class OnceInAWhile {
  readonly #repeatMs: number;
  readonly #mostIds: number;
  readonly #saidAt = new Map<string, number>();

  /** The same is said again after `repeatMs`, and at one time of `mostIds` nodes at most. */
  constructor(repeatMs: number, mostIds = Infinity) {
    this.#repeatMs = repeatMs;
    this.#mostIds = mostIds;
  }

  /** Whether it is to be said of this node at `now` (ms); it counts as said then. */
  isDue(nodeId: string, now: number): boolean {
    for (const [id, at] of this.#saidAt) if (now - at >= this.#repeatMs) this.#saidAt.delete(id);
    if (this.#saidAt.has(nodeId) || this.#saidAt.size >= this.#mostIds) return false;
    this.#saidAt.set(nodeId, now);
    return true;
  }
}
