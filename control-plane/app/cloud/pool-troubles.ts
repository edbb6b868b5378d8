import { troubleOf, type Pool } from "../../core/scaling/pool.ts";
import type { NewEvent } from "../../ports/events.ts";

/** What is in the way of pools and their pods, each told once: when it begins, and when it is another thing than before. */
export class PoolTroubles {
  /** By pool: by what it is about. */
  readonly #told = new Map<string, ReadonlyMap<string, string>>();

  /** The events about what was not so when this pool was looked at last. */
  eventsOf(pool: Pool): readonly NewEvent[] {
    const about: readonly (readonly [object: string, trouble: string | undefined])[] = [
      ...pool.pods.map(({ name, trouble }) => [`node/${name}`, trouble] as const),
      [`pool/${pool.name}`, troubleOf(pool)],
    ];
    const before = this.#told.get(pool.name);
    const now = new Map(about.flatMap(([object, trouble]) => (trouble === undefined ? [] : [[object, trouble]])));
    this.#told.set(pool.name, now);
    return [...now]
      .filter(([object, trouble]) => before?.get(object) !== trouble)
      .map(([object, message]) => {
        const reason = object.startsWith("pool/") ? "PoolStalled" : "PodFailed";
        return { type: "Warning", reason, object, message };
      });
  }

  /** Forgets those of all pools but these. */
  keep(pools: ReadonlySet<string>): void {
    for (const name of this.#told.keys()) if (!pools.has(name)) this.#told.delete(name);
  }
}
