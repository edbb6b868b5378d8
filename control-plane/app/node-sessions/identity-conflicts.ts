import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf, SkerryError } from "../../../shared/base/errors.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { IDENTITY_CONFLICT } from "../../../shared/protocol/messages/envelope.ts";
import type { Hello } from "../../../shared/protocol/messages/node-messages.ts";
import type { AuditRecorder } from "../../ports/access/audit.ts";
import type { Clone, SessionStore } from "../../ports/nodes/nodes.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { NodeSession, SessionRegistry } from "./node-session.ts";
import { OnceInAWhile } from "./once-in-a-while.ts";

/** How long the process that holds the session has to answer a ping. The other one's handshake lasts 5 s at most. */
const ANSWER_MS = 2_000;
const LOOK_MS = 50;
/** The same where each look is a statement. */
const LOOK_ELSEWHERE_MS = 200;
/** The same conflict is an event this often: the process that is refused dials again and again. */
const REPEAT_MS = 5 * 60_000;

interface Parts {
  readonly replica: string;
  readonly sessions: Pick<SessionStore, "heldElsewhere" | "announceClone" | "heard">;
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
 *
 * The control plane that holds the session asks its process for a byte, and tells it that it has a clone. Where that is another
 * control plane, a notification asks it to, and it records that the process was heard.
 */
export class IdentityConflicts {
  readonly #parts: Parts;
  /** Nodes whose conflict is recorded. */
  readonly #recorded = new OnceInAWhile(REPEAT_MS);
  /** Nodes with a session here that have been warned of a clone. */
  readonly #told = new OnceInAWhile(REPEAT_MS);

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Throws `CONFLICT` when another process with this identity holds a session, here or elsewhere, and lives. */
  async refuseClone({ bootId, generation }: Hello, nodeId: NodeId, address: string): Promise<void> {
    const { registry, replica, fleet } = this.#parts;
    const holder = registry.get(nodeId);
    if (!holder) {
      const recorded = fleet.snapshot().nodes.get(nodeId)?.session;
      // An owner without a row has left or has started again: after a restart that holds for every node, and none has to ask.
      const mayBeElsewhere =
        recorded?.open === true && recorded.replica !== replica && recorded.ownerSeen !== undefined;
      if (mayBeElsewhere && (await this.#livesElsewhere({ nodeId, bootId, address })))
        throw this.#conflict(nodeId, { holder: "another control plane", address });
      return;
    }
    if (holder.bootId === bootId || holder.isHandedOver) return;
    // Another machine has taken its place: it is about to be closed.
    if (holder.identity.generation < generation) return;
    if (!(await this.#answers(holder))) return;
    const conflict = this.#conflict(nodeId, { holder: holder.address, address });
    this.#warnHolder(holder, address);
    throw conflict;
  }

  /**
   * A process at `address` asks another control plane for a session of this node. If its session is here and its process lives,
   * that is recorded for the other one, and the process is told. Never rejects.
   */
  async announced({ nodeId, bootId, address }: Clone): Promise<void> {
    const { registry, sessions, clock, logger } = this.#parts;
    const holder = registry.get(nodeId);
    if (!holder || holder.bootId === bootId || holder.isHandedOver || !(await this.#answers(holder))) return;
    const ageMs = Math.max(0, clock.now() - holder.control.lastByteAt());
    try {
      await sessions.heard({ nodeId: holder.nodeId, epoch: holder.epoch, ageMs });
      this.#warnHolder(holder, address);
    } catch (error) {
      logger.warn(
        { node: holder.name, why: messageOf(error) },
        "it cannot be recorded that a process lives which has a clone",
      );
    }
  }

  /** Whether a byte comes within 2 s from the process of a session that stays open. */
  async #answers(holder: NodeSession): Promise<boolean> {
    const { registry, clock } = this.#parts;
    const heardAt = holder.control.lastByteAt();
    holder.control.ping();
    for (const end = clock.now() + ANSWER_MS; clock.now() < end; await sleep(clock, LOOK_MS)) {
      if (registry.get(holder.nodeId) !== holder) return false;
      if (holder.control.lastByteAt() !== heardAt) return true;
    }
    return false;
  }

  /** Whether the control plane that holds the session hears its process within 2 s from now. */
  async #livesElsewhere(clone: Clone): Promise<boolean> {
    const { replica, sessions, clock } = this.#parts;
    const asked = { ...clone, replica };
    if (!(await sessions.heldElsewhere(asked))) return false;
    const askedAt = clock.now();
    await sessions.announceClone(clone);
    for (const end = askedAt + ANSWER_MS; clock.now() < end; await sleep(clock, LOOK_ELSEWHERE_MS)) {
      const held = await sessions.heldElsewhere(asked);
      if (!held) return false;
      if (held.silentMs <= clock.now() - askedAt) return true;
    }
    return false;
  }

  /** The process that keeps its session hears of the other one, once in a while. */
  #warnHolder({ nodeId, control }: NodeSession, address: string): void {
    if (!this.#told.isDue(nodeId, this.#parts.clock.now())) return;
    control.send({
      type: "error",
      code: IDENTITY_CONFLICT,
      detail: `a process at ${address} has this identity too and is refused; was this folder copied?`,
    });
  }

  #conflict(nodeId: string, { holder, address }: { holder: string; address: string }): SkerryError {
    const { fleet, recorder, audit, clock, logger } = this.#parts;
    const name = fleet.snapshot().nodes.get(nodeId)?.name ?? nodeId;
    if (this.#recorded.isDue(nodeId, clock.now())) {
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
    }
    return new SkerryError(
      "CONFLICT",
      `a process at ${holder} has this identity too and is kept; was this folder copied?`,
    );
  }
}
