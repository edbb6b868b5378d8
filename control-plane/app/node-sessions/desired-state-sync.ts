import type { Clock } from "../../../shared/base/clock.ts";
import { deltaBetween, desiredDigest } from "../../../shared/protocol/desired.ts";
import { desiredFor } from "../../core/reconcile/desired.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { NodeSession } from "./node-session.ts";

const RESEND_MS = 5_000;

/**
 * Keeps every connected node's desired document equal to the fleet's: a delta when the node has the one before it, a
 * snapshot otherwise. A document that is not acknowledged within 5 s goes out again.
 */
export class DesiredStateSync {
  readonly #fleet: FleetCache;
  readonly #clock: Clock;

  constructor(parts: { fleet: FleetCache; clock: Clock }) {
    this.#fleet = parts.fleet;
    this.#clock = parts.clock;
  }

  /** What the node said in `hello` or a heartbeat is on its disk already. */
  adopt(session: NodeSession, on: { readonly rev: number; readonly digest: string }): void {
    const node = this.#fleet.current().nodes.get(session.nodeId);
    if (!node) return;
    const state = desiredFor(this.#fleet.current(), node);
    if (desiredDigest(state) !== on.digest) return this.sendSnapshot(session);
    session.sentDesired = { rev: on.rev, state, digest: on.digest };
    session.ackedRev = on.rev;
  }

  /** Sends what has changed since the last document, if anything has. */
  sync(session: NodeSession): void {
    const { sentDesired: sent } = session;
    if (!sent || session.unackedSince !== undefined) return this.sendSnapshot(session);
    const node = this.#fleet.current().nodes.get(session.nodeId);
    if (!node) return;
    const state = desiredFor(this.#fleet.current(), node);
    const digest = desiredDigest(state);
    if (digest === sent.digest) return;
    const rev = Math.max(node.desiredRev, sent.rev + 1);
    const { cordoned, set, drop } = deltaBetween(sent.state, state);
    this.#remember(session, { rev, state, digest });
    session.control.send({
      type: "desired.delta",
      baseRev: sent.rev,
      rev,
      digest,
      cordoned,
      set: [...set],
      drop: [...drop],
    });
  }

  /** The whole document, unless the same one is on its way already. */
  sendSnapshot(session: NodeSession): void {
    const node = this.#fleet.current().nodes.get(session.nodeId);
    if (!node) return;
    const state = desiredFor(this.#fleet.current(), node);
    const digest = desiredDigest(state);
    const { sentDesired: sent } = session;
    const isOnItsWay =
      sent?.digest === digest &&
      session.unackedSince !== undefined &&
      this.#clock.now() - session.unackedSince < RESEND_MS;
    if (isOnItsWay) return;
    const rev = sent?.digest === digest ? sent.rev : Math.max(node.desiredRev, (sent?.rev ?? -1) + 1);
    this.#remember(session, { rev, state, digest });
    session.control.send({
      type: "desired.snapshot",
      rev,
      digest,
      cordoned: state.cordoned,
      placements: [...state.placements],
    });
  }

  acked(session: NodeSession, ack: { readonly rev: number; readonly digest: string }): void {
    const { sentDesired: sent } = session;
    if (!sent || ack.rev < sent.rev) return;
    session.ackedRev = ack.rev;
    session.unackedSince = undefined;
    if (ack.digest !== sent.digest) this.sendSnapshot(session);
    else this.sync(session);
  }

  /** For documents whose ack is overdue. */
  resendOverdue(session: NodeSession): void {
    if (session.unackedSince !== undefined && this.#clock.now() - session.unackedSince >= RESEND_MS)
      this.sendSnapshot(session);
  }

  #remember(session: NodeSession, sent: NonNullable<NodeSession["sentDesired"]>): void {
    session.sentDesired = sent;
    session.unackedSince = this.#clock.now();
  }
}
