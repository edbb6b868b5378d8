import type { FleetNode } from "../fleet/types.ts";

/**
 * What requests for one deployment lose between control planes on their way to a node, by the control plane that holds the
 * node's session: the mean over the control planes that they come to, each by its share of them.
 */
export interface Hops {
  /** By the id of the control plane, in ms. */
  readonly toReplica: ReadonlyMap<string, number>;
  /** To one that is not in `toReplica`, in ms. */
  readonly elsewhereMs: number;
  /** Equal for equal hops. */
  readonly key: string;
}

/** In ms. Without `hops` requests are taken to come to the control plane that holds the node's session. */
export function hopMsTo({ session }: Pick<FleetNode, "session">, hops: Hops | undefined): number {
  if (hops === undefined || session === undefined) return 0;
  return hops.toReplica.get(session.replica) ?? hops.elsewhereMs;
}

/** The hops of a deployment; undefined: there are none to speak of. */
export function hopsOf(toReplica: ReadonlyMap<string, number>, elsewhereMs: number): Hops | undefined {
  if (elsewhereMs === 0 && toReplica.values().every((ms) => ms === 0)) return undefined;
  const key = [...toReplica].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([id, ms]) => `${id} ${ms}`);
  return { toReplica, elsewhereMs, key: [...key, elsewhereMs].join("\n") };
}

/** The same where every hop takes `factor` times as long. */
export const scaledHops = (hops: Hops | undefined, factor: number): Hops | undefined =>
  hops && {
    toReplica: new Map([...hops.toReplica].map(([id, ms]) => [id, ms * factor])),
    elsewhereMs: hops.elsewhereMs * factor,
    key: `${hops.key}\n${factor}`,
  };
