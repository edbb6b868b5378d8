import { stableHash } from "../hash.ts";
import { byAffinity } from "./affinity.ts";

/**
 * The placement that has the requests of a stream (`Skerry-Stream`): whatever its load, as it keeps something of the stream. One that
 * comes or goes moves its own streams alone. Undefined when there is none.
 */
export function homeOfStream(key: string, placements: readonly string[]): string | undefined {
  const candidates = placements.map((placement) => ({ placement, id: stableHash(placement), load: 0, weight: 1 }));
  return byAffinity(stableHash(key), candidates)[0]?.placement;
}
