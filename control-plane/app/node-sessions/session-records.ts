import { isLoadChanged } from "../../../shared/protocol/load-change.ts";
import { isBidirectional } from "../../core/fleet/node-status.ts";
import type { Fleet, FleetLoad } from "../../core/fleet/types.ts";
import type { TouchedSession } from "../../ports/nodes/nodes.ts";
import type { NodeSession } from "./node-session.ts";

/** Changed loads are recorded this often: other replicas plan with them. */
const LOADS_MS = 15_000;
/** The life of the replica is recorded this often where no lease is renewed, and a failed record is repeated after it. */
const LIFE_MS = 5_000;
/** All sessions are recorded this often, which closes those that only the rows still call open. */
const TOUCH_ALL_MS = 60_000;

interface Recorded {
  readonly isReady: boolean;
  readonly load: FleetLoad | undefined;
}

/** Which sessions are to be recorded now. A session whose node turned ready or unready is due at once. */
export interface DueRecords {
  readonly sessions: readonly TouchedSession[];
  readonly areAll: boolean;
}

/**
 * What this replica has recorded of its sessions. While their owner lives, other replicas need no more of a session than
 * whether its node is ready and a load that is about right, so a fleet in which nothing happens writes once a minute.
 */
export class SessionRecords {
  readonly #recorded = new WeakMap<NodeSession, Recorded>();
  #touchedAt = -Infinity;
  #touchedAllAt = -Infinity;

  /**
   * What to record at `now`, which then counts as recorded; undefined when nothing is due. `turned`: the sessions whose
   * nodes may have turned since the last call. `isLifeRecorded`: the renewals of the lease record that this replica lives;
   * otherwise a record is due every 5 s, also of no session.
   */
  take(
    { turned, all }: { readonly turned: Iterable<NodeSession>; readonly all: () => Iterable<NodeSession> },
    nodes: Fleet["nodes"],
    { now, isLifeRecorded }: { readonly now: number; readonly isLifeRecorded: boolean },
  ): DueRecords | undefined {
    const areAll = now - this.#touchedAllAt >= TOUCH_ALL_MS;
    const areLoadsDue = now - this.#touchedAt >= (isLifeRecorded ? LOADS_MS : LIFE_MS);
    const due: TouchedSession[] = [];
    for (const session of areAll || areLoadsDue ? all() : turned) {
      const { nodeId, epoch } = session;
      const node = nodes.get(nodeId);
      const isReady = node !== undefined && isBidirectional(node);
      const before = this.#recorded.get(session);
      const hasTurned = isReady !== (before?.isReady ?? false);
      if (!areAll && !hasTurned && !(areLoadsDue && isLoadChanged(before?.load, node?.load))) continue;
      session.hear();
      due.push({ nodeId, epoch, ageMs: session.liveness.silentMs, isReady, load: node?.load });
      this.#recorded.set(session, { isReady, load: node?.load });
    }
    if (areLoadsDue) this.#touchedAt = now;
    if (areAll) this.#touchedAllAt = now;
    return areAll || due.length > 0 || (areLoadsDue && !isLifeRecorded) ? { sessions: due, areAll } : undefined;
  }

  /** What was taken at `now` did not arrive: all sessions are due in 5 s. */
  failed(now: number): void {
    this.#touchedAllAt = now + LIFE_MS - TOUCH_ALL_MS;
  }
}
