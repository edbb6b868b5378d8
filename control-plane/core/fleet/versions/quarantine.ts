import type { Disconnects, FleetNode } from "../types.ts";

const HALF_LIFE_MS = 10 * 60_000;
/** A restart and one more break are no flapping. */
const FREE = 2;
const FIRST_MS = 10_000;
const MOST_MS = 5 * 60_000;

/** Of a node that gets no new replicas for a while. */
export interface Quarantine {
  /** In ms of the fleet's clock. */
  readonly until: number;
  /** What it is for. */
  readonly disconnects: number;
}

/** How many disconnects count at `now`: one counts half as much after 10 minutes. */
export const disconnectsAt = (known: Disconnects | undefined, now: number): number =>
  known === undefined ? 0 : known.score * 0.5 ** (Math.max(0, now - known.at) / HALF_LIFE_MS);

/** What is known after one more disconnect at `now`. */
export const afterDisconnect = (before: Disconnects | undefined, now: number): Disconnects => ({
  score: 1 + disconnectsAt(before, now),
  at: now,
});

/** The third disconnect costs 10 s, each further one twice as much as the one before it, 5 minutes at most. */
export function quarantineAfter({ score, at }: Disconnects): Quarantine | undefined {
  const disconnects = Math.round(score);
  if (disconnects <= FREE) return undefined;
  return { until: at + Math.min(MOST_MS, FIRST_MS * 2 ** (disconnects - FREE - 1)), disconnects };
}

/** The quarantine that a node is in at `now`. */
export function quarantineOf({ session }: Pick<FleetNode, "session">, now: number): Quarantine | undefined {
  const quarantine = session?.disconnects && quarantineAfter(session.disconnects);
  return quarantine !== undefined && quarantine.until > now ? quarantine : undefined;
}

const MASS_NODES = 5;

/**
 * Whether so many nodes are in quarantine at once, more than half of five or more that are connected, that the likelier fault
 * is ours or the network's: then no quarantine counts.
 */
export function isMassQuarantine(nodes: Iterable<FleetNode>, now: number): boolean {
  const counts = { connected: 0, quarantined: 0 };
  for (const node of nodes) {
    if (node.session?.open !== true || node.revoked) continue;
    counts.connected += 1;
    if (node.session.disconnects && quarantineOf(node, now)) counts.quarantined += 1;
  }
  return counts.connected >= MASS_NODES && 2 * counts.quarantined > counts.connected;
}
