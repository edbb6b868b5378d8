import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf, SkerryError } from "../../../shared/base/errors.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import { IDENTITY_CONFLICT, type Hello } from "../../../shared/protocol/messages.ts";
import type { AuditRecorder } from "../../ports/audit.ts";
import type { ControlChannel } from "../../ports/channels.ts";
import type { SessionStore } from "../../ports/nodes.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { SessionRegistry } from "./node-session.ts";

/** How long the process that holds the session has to answer a ping. The other one's handshake lasts 5 s at most. */
const ANSWER_MS = 2_000;
const LOOK_MS = 50;
/** The same conflict is an event this often: the process that is refused dials again and again. */
const REPEAT_MS = 5 * 60_000;

interface Parts {
  readonly replica: string;
  readonly sessions: Pick<SessionStore, "isHeldElsewhere">;
  readonly registry: SessionRegistry;
  readonly fleet: FleetCache;
  readonly recorder: Pick<EventRecorder, "record">;
  readonly audit: AuditRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Two processes with one identity, as after a copied disk image or state folder. If each new session ended the other's, they
 * would alternate without end and serve nothing; so the one that is there stays for as long as it lives. A process that was
 * restarted has another boot id too, but then the old one answers no more.
 */
export class IdentityConflicts {
  readonly #parts: Parts;
  /** When the conflict of a node was last recorded, by node id. */
  readonly #recordedAt = new Map<string, number>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Throws `CONFLICT` when another process with this identity holds a session, here or elsewhere, and lives. */
  async refuseClone({ bootId, generation }: Hello, nodeId: NodeId, address: string): Promise<void> {
    const { registry, clock, replica, sessions, fleet } = this.#parts;
    const holder = registry.get(nodeId);
    if (!holder) {
      const recorded = fleet.snapshot().nodes.get(nodeId)?.session;
      // An owner without a row has left or has started again: after a restart that holds for every node, and none has to ask.
      const mayBeElsewhere =
        recorded?.open === true && recorded.replica !== replica && recorded.ownerSeen !== undefined;
      if (mayBeElsewhere && (await sessions.isHeldElsewhere({ nodeId, bootId, replica })))
        throw this.#conflict(nodeId, { holder: "another control plane", address });
      return;
    }
    if (holder.bootId === bootId || holder.isHandedOver) return;
    // Another machine has taken its place: it is about to be closed.
    if (holder.identity.generation < generation) return;
    const heardAt = holder.control.lastByteAt();
    holder.control.ping();
    for (const end = clock.now() + ANSWER_MS; clock.now() < end; await sleep(clock, LOOK_MS)) {
      if (registry.get(nodeId) !== holder) return;
      if (holder.control.lastByteAt() !== heardAt)
        throw this.#conflict(nodeId, { holder: holder.address, address, kept: holder.control });
    }
  }

  /** `kept`: the channel of the process that keeps its session, which is told. One at another control plane is not reached from here. */
  #conflict(
    nodeId: string,
    { holder, address, kept }: { holder: string; address: string; kept?: Pick<ControlChannel, "send"> },
  ): SkerryError {
    const { fleet, recorder, audit, clock, logger } = this.#parts;
    const now = clock.now();
    const name = fleet.snapshot().nodes.get(nodeId)?.name ?? nodeId;
    if (now - (this.#recordedAt.get(nodeId) ?? -Infinity) >= REPEAT_MS) {
      this.#recordedAt.set(nodeId, now);
      logger.warn({ node: name, holder, refused: address }, "two processes have the identity of one node");
      recorder.record({
        type: "Warning",
        reason: "IdentityConflict",
        object: `node/${name}`,
        message:
          `two processes have the identity of ${name}: the one at ${holder} is kept, the one at ${address} is refused. ` +
          "Stop one of them; a copied state folder needs a join token of its own and no identity.json",
      });
      const entry = { action: "node.identity-conflict", target: `node/${name}`, detail: { nodeId, kept: holder } };
      audit.record({ actor: `node/${name}`, address, ...entry }).catch((error: unknown) => {
        logger.warn({ node: name, why: messageOf(error) }, "the conflict is not in the audit log");
      });
      kept?.send({
        type: "error",
        code: IDENTITY_CONFLICT,
        detail: `a process at ${address} has this identity too and is refused; was this folder copied?`,
      });
    }
    return new SkerryError(
      "CONFLICT",
      `a process at ${holder} has this identity too and is kept; was this folder copied?`,
    );
  }
}
