import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import type { FleetPlacement } from "../../core/fleet/types.ts";
import type { AuditRecorder } from "../../ports/access/audit.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { NodeSession } from "./node-session.ts";
import { OnceInAWhile } from "./once-in-a-while.ts";

/** The clocks of database and control plane, and the time from a handshake to its session, differ by less. */
const MARGIN_MS = 60_000;
/** The same of one node is an event this often: it dials again and again. */
const REPEAT_MS = 5 * 60_000;

interface Known {
  /** When the key was made that the session was proved with, in ms of the fleet's clock. */
  readonly keyMadeAt: number;
  /** Placements of other nodes that the session's `hello` named. */
  readonly named: ReadonlySet<string>;
}

interface Parts {
  readonly fleet: Pick<FleetCache, "snapshot">;
  readonly recorder: Pick<EventRecorder, "record">;
  readonly audit: AuditRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Ends the sessions of nodes that speak for placements of others. What they say of them is dropped in any case; that they say
 * it shows that something is wrong with them.
 *
 * A device that joined anew with what it had before is not of these: its `hello` may name placements of its former identity, or
 * of the device whose folder was copied, and later messages may say what becomes of those. Such a placement is older than the
 * device's key. So a session ends with 4403 when its node names a placement of another node that was placed after the node's key
 * was made, or, but in `hello`, one that `hello` did not name.
 */
export class ForeignPlacements {
  readonly #parts: Parts;
  readonly #known = new WeakMap<NodeSession, Known>();
  readonly #told = new OnceInAWhile(REPEAT_MS);

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The session begins with a `hello` that names these. False: it was closed. */
  began(session: NodeSession, placementIds: Iterable<string>): boolean {
    const keyMadeAt = this.#parts.clock.now() - (session.identity.keyAgeMs ?? 0);
    const foreign = this.#foreignOf(session, placementIds);
    this.#known.set(session, { keyMadeAt, named: new Set(foreign.map(({ id }) => id)) });
    const newer = foreign.find(({ decidedAt }) => decidedAt > keyMadeAt + MARGIN_MS);
    if (newer) this.#end(session, newer);
    return newer === undefined;
  }

  /** A message of the session is about these. False: it was closed. */
  allows(session: NodeSession, placementIds: Iterable<string>): boolean {
    const named = this.#known.get(session)?.named;
    const other = this.#foreignOf(session, placementIds).find(({ id }) => named?.has(id) !== true);
    if (other) this.#end(session, other);
    return other === undefined;
  }

  #foreignOf({ nodeId }: NodeSession, placementIds: Iterable<string>): readonly FleetPlacement[] {
    const { placements } = this.#parts.fleet.snapshot();
    const found: FleetPlacement[] = [];
    for (const id of placementIds) {
      const placement = placements.get(id);
      if (placement && placement.nodeId !== nodeId) found.push(placement);
    }
    return found;
  }

  #end(session: NodeSession, { id, nodeId: ownerId, model, version }: FleetPlacement): void {
    const { fleet, recorder, audit, clock, logger } = this.#parts;
    const { nodeId, name, address } = session;
    session.control.close(CLOSE.NOT_YOURS, "it named a placement of another node");
    if (!this.#told.isDue(nodeId, clock.now())) return;
    const owner = fleet.snapshot().nodes.get(ownerId)?.name ?? ownerId;
    logger.warn({ node: name, placement: id, of: owner }, "a node spoke for a placement of another one");
    recorder.record({
      type: "Warning",
      reason: "ForeignPlacement",
      object: `node/${name}`,
      message:
        `${name} spoke for a placement of ${model}:${version} on ${owner}, of which it cannot know: its session was closed, and ` +
        `${owner} is as it was. If nobody can say why, remove ${name} with \`skerry nodes rm ${name}\` and look at its machine`,
    });
    const detail = { nodeId, placementId: id, of: owner };
    audit
      .record({ actor: `node/${name}`, address, action: "node.foreign-placement", target: `node/${name}`, detail })
      .catch((error: unknown) => {
        logger.warn(
          { node: name, why: messageOf(error) },
          "a report on another node's placement is not in the audit log",
        );
      });
  }
}
