import type { Clock } from "../../../shared/base/clock.ts";
import { deltaBetween, desiredDigest, type DesiredState } from "../../../shared/protocol/desired.ts";
import { desiredFor } from "../../core/reconcile/desired.ts";
import type { ControlChannel } from "../../ports/nodes/channels.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";

const RESEND_MS = 5_000;

/** A revision of the desired document and its digest, as the node reports what is on its disk. */
interface Position {
  readonly rev: number;
  readonly digest: string;
}

/**
 * Keeps the desired document of one session's node equal to the fleet's: a delta when the node has the document before
 * it, a snapshot otherwise.
 *
 * nothing sent   from the start of the session; `adopt` leads on, with or without a snapshot
 * awaiting ack   a document was sent; changes of the fleet wait, so the next delta has a base that the node holds. An
 *                ack leads to *in step*; after 5 s without one the document is sent again
 * in step        the node holds the last document; a change of the fleet sends a delta and waits for its ack
 */
export class DesiredStateSync {
  readonly #nodeId: string;
  readonly #control: ControlChannel;
  readonly #fleet: Pick<FleetCache, "snapshot">;
  readonly #clock: Clock;
  /** The document that the node holds or was sent last; undefined before the first. */
  #sent: (Position & { readonly state: DesiredState }) | undefined;
  #isUnacked = false;
  #cancelResend: () => void = () => undefined;

  constructor(parts: {
    readonly nodeId: string;
    readonly control: ControlChannel;
    readonly fleet: Pick<FleetCache, "snapshot">;
    readonly clock: Clock;
  }) {
    this.#nodeId = parts.nodeId;
    this.#control = parts.control;
    this.#fleet = parts.fleet;
    this.#clock = parts.clock;
  }

  /** The revision that was sent last; 0 before the first. */
  get rev(): number {
    return this.#sent?.rev ?? 0;
  }

  /** `hello` names the document on the node's disk. Sends a snapshot when it is not the fleet's. */
  adopt(onDisk: Position): void {
    const node = this.#fleet.snapshot().nodes.get(this.#nodeId);
    if (!node) return;
    const state = desiredFor(this.#fleet.snapshot(), node);
    if (desiredDigest(state) !== onDisk.digest) return this.#sendSnapshot();
    this.#sent = { rev: onDisk.rev, state, digest: onDisk.digest };
  }

  /** The fleet changed. Sends what differs from the last document, once that one is acknowledged. */
  sync(): void {
    const sent = this.#sent;
    if (!sent || this.#isUnacked) return;
    const node = this.#fleet.snapshot().nodes.get(this.#nodeId);
    if (!node) return;
    const state = desiredFor(this.#fleet.snapshot(), node);
    const digest = desiredDigest(state);
    if (digest === sent.digest) return;
    const rev = Math.max(node.desiredRev, sent.rev + 1);
    const { cordoned, set, drop } = deltaBetween(sent.state, state);
    this.#remember({ rev, state, digest });
    this.#control.send({
      type: "desired.delta",
      baseRev: sent.rev,
      rev,
      digest,
      cordoned,
      set: [...set],
      drop: [...drop],
    });
  }

  /** The node has written the document `ack` to its disk. An ack of an older one changes nothing. */
  acked(ack: Position): void {
    const sent = this.#sent;
    if (!sent || ack.rev < sent.rev) return;
    this.#isUnacked = false;
    this.#cancelResend();
    if (ack.digest === sent.digest) this.sync();
    else this.#sendSnapshot();
  }

  /** The node asks for the whole document, since it cannot apply a delta. */
  requested(): void {
    this.#isUnacked = false;
    this.#sendSnapshot();
  }

  /** A heartbeat names the document on the node's disk: the same revision with another digest is damaged. */
  confirm(onDisk: Position): void {
    if (this.#sent && onDisk.rev === this.#sent.rev && onDisk.digest !== this.#sent.digest) this.#sendSnapshot();
  }

  /** The session is over: nothing is sent again. */
  close(): void {
    this.#cancelResend();
  }

  /** The whole document, unless the same one was sent and its ack is awaited. */
  #sendSnapshot(): void {
    const node = this.#fleet.snapshot().nodes.get(this.#nodeId);
    if (!node) return;
    const state = desiredFor(this.#fleet.snapshot(), node);
    const digest = desiredDigest(state);
    const sent = this.#sent;
    const isSame = sent?.digest === digest;
    if (isSame && this.#isUnacked) return;
    const rev = isSame ? sent.rev : Math.max(node.desiredRev, (sent?.rev ?? -1) + 1);
    this.#remember({ rev, state, digest });
    this.#control.send({
      type: "desired.snapshot",
      rev,
      digest,
      cordoned: state.cordoned,
      placements: [...state.placements],
    });
  }

  #remember(sent: Position & { readonly state: DesiredState }): void {
    this.#sent = sent;
    this.#isUnacked = true;
    this.#cancelResend();
    this.#cancelResend = this.#clock.after(RESEND_MS, () => this.requested());
  }
}
