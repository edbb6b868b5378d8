import { assertNever } from "../../../shared/base/assert-never.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import type { Capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import type { NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { PlacementLoad } from "../../../shared/protocol/messages/load-report.ts";
import type { SessionStore } from "../../ports/nodes/nodes.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { Telemetry } from "../inference/telemetry.ts";
import type { ModelPush } from "../transfer/model-push.ts";
import type { CallerKeys } from "./caller-keys.ts";
import type { ForeignPlacements } from "./foreign-placements.ts";
import type { KeyRotation } from "./key-rotation.ts";
import type { NodeSession } from "./node-session.ts";
import type { PlacementReports } from "./placement-reports.ts";

interface Parts {
  readonly sessions: Pick<SessionStore, "changeCapabilities">;
  readonly fleet: FleetCache;
  readonly push: Pick<ModelPush, "onMessage">;
  readonly telemetry: Pick<Telemetry, "report">;
  readonly keyRotation: Pick<KeyRotation, "rotate">;
  readonly foreign: Pick<ForeignPlacements, "allows">;
  readonly recorder: Pick<EventRecorder, "recordLog">;
  readonly callerKeys?: Pick<CallerKeys, "asked">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Answers what nodes say in their sessions. What a message means for planning goes into the fleet; what it means for a transfer
 * goes to the push.
 */
export class SessionMessages {
  readonly #parts: Parts;
  /** Of sessions whose capabilities are being written: those that came meanwhile, of which the last counts. */
  readonly #writing = new WeakMap<NodeSession, { next: Capabilities | undefined }>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The newest session of a node, or one that was just replaced, has sent `message`. */
  receive(session: NodeSession, message: NodeMessage, reports: PlacementReports): void {
    const { fleet, clock, telemetry, push, keyRotation } = this.#parts;
    const { nodeId, epoch, desired, liveness } = session;
    switch (message.type) {
      case "heartbeat": {
        const confirmation = liveness.confirmedBy(message.acked);
        liveness.answered(session.control.send({ type: "heartbeat.ack", re: message.id, desiredRev: desired.rev }));
        fleet.apply({ type: "heartbeat-received", nodeId, epoch, confirmation, at: clock.now() });
        return desired.confirm({ rev: message.desiredRev, digest: message.digest });
      }
      case "capabilities":
        return void this.#changeCapabilities(session, message.capabilities);
      case "load": {
        const named = message.placements.map(({ placementId }) => placementId);
        if (!this.#parts.foreign.allows(session, named)) return;
        const { type: _type, id: _id, re: _re, epoch: _epoch, traceparent: _traceparent, ...load } = message;
        fleet.apply({ type: "load-reported", nodeId, epoch, load: { ...load, at: clock.now() } });
        // Of its own placements alone: routing follows these figures.
        const { placements } = fleet.snapshot();
        const isOwn = ({ placementId }: PlacementLoad): boolean => placements.get(placementId)?.nodeId === nodeId;
        telemetry.report(message.placements.filter(isOwn), clock.now());
        return;
      }
      case "desired.ack":
        return desired.acked(message);
      case "desired.get":
        return desired.requested();
      case "placement.status":
        return this.#parts.foreign.allows(session, [message.placementId]) ? reports.add(message) : undefined;
      case "transfer.accept":
      case "transfer.reject":
      case "transfer.resume":
      case "transfer.done":
      case "transfer.failed":
        return push.onMessage(session, message);
      case "key.rotate":
        return void keyRotation.rotate(session, message);
      case "caller.get":
        return this.#parts.callerKeys?.asked(session, message.digest);
      case "log":
        return this.#parts.recorder.recordLog(session.name, message);
      case "hello":
        return session.control.close(CLOSE.INVALID_MESSAGE, "hello was said already");
      case "ok":
      case "error":
        return;
      default:
        assertNever(message);
    }
  }

  /**
   * The fleet of this replica has them at once; where they cannot be recorded, the next session says them again. One write at a
   * time: of two the older one could be the last, and each is a transaction, of which a node may cause 50 a second.
   */
  async #changeCapabilities(session: NodeSession, capabilities: Capabilities): Promise<void> {
    const { fleet, sessions, logger } = this.#parts;
    const { nodeId, epoch, name } = session;
    fleet.apply({ type: "capabilities-reported", nodeId, epoch, capabilities });
    const busy = this.#writing.get(session);
    if (busy) {
      busy.next = capabilities;
      return;
    }
    const writing: { next: Capabilities | undefined } = { next: undefined };
    this.#writing.set(session, writing);
    for (let next: Capabilities | undefined = capabilities; next; next = writing.next) {
      writing.next = undefined;
      await sessions.changeCapabilities({ nodeId, epoch }, next).catch((error: unknown) => {
        logger.warn({ node: name, error: messageOf(error) }, "what a node can do could not be recorded");
      });
    }
    this.#writing.delete(session);
  }
}
