import { troubleOf, type Pool } from "../../core/scaling/pool.ts";
import type { NewEvent } from "../../ports/events.ts";

/** Events about what is in the way of pools and their pods: one when it begins, and one when it becomes another. */
export class PoolTroubles {
  /** By pool: by what it is about. */
  readonly #known = new Map<string, ReadonlyMap<string, string>>();

  /** The events about what was not so when this pool was looked at last. */
  eventsOf(pool: Pool): readonly NewEvent[] {
    const about: readonly (readonly [object: string, trouble: string | undefined])[] = [
      ...pool.pods.map(({ name, trouble }) => [`node/${name}`, trouble] as const),
      [`pool/${pool.name}`, troubleOf(pool)],
    ];
    const before = this.#known.get(pool.name);
    const now = new Map(about.flatMap(([object, trouble]) => (trouble === undefined ? [] : [[object, trouble]])));
    this.#known.set(pool.name, now);
    return [...now]
      .filter(([object, trouble]) => before?.get(object) !== trouble)
      .map(([object, message]) => {
        const reason = object.startsWith("pool/") ? "PoolStalled" : "PodFailed";
        return { type: "Warning", reason, object, message };
      });
  }

  /** Forgets those of all pools but these. */
  keep(pools: ReadonlySet<string>): void {
    for (const name of this.#known.keys()) if (!pools.has(name)) this.#known.delete(name);
  }
}
