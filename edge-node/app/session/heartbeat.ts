import type { Clock } from "../../../shared/base/clock.ts";
import type { Digest } from "../../../shared/base/digest.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { ControlChannel } from "../../ports/channels.ts";
import type { NodeTelemetry } from "../../ports/serving.ts";

/** A session that ends sooner was none: the next dial waits longer. */
const SETTLED_MS = 1_000;
/** Round trips that the reported one is the median of. */
const ROUND_TRIPS = 5;
/** Heartbeats come up to this share early, so that a thousand nodes do not beat together. */
const JITTER = 0.1;

interface Parts {
  readonly channel: ControlChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: NodeTelemetry;
  /** What is on this node's disk. */
  readonly desired: () => { readonly rev: number; readonly digest: Digest };
  /** Called at the first answer, when the round trip is known. The second beat, which makes the node ready, follows it. */
  readonly beforeReady: () => Promise<unknown>;
  /** Called once, when the session has stood for a second and both directions have worked. */
  readonly onProven: () => void;
}

/** The answer to the beat that made the node ready, and that to the one `SETTLED_MS` later. */
const [READY_ACK, PROVING_ACK] = [2, 3];

/**
 * The pulse of one session: the first beat at once; the second as soon as the first was answered and what makes the node
 * fit to serve is in place, after a second at the latest; the third a second after the second was answered; then at the
 * interval of `welcome`. So a node is ready as soon as it can serve, and one whose sessions do not last still backs off.
 */
export class Heartbeat {
  readonly #parts: Parts;
  /** Id of the newest `heartbeat.ack` or `welcome`. */
  #acked: number;
  /** The newest beat, until it is answered. */
  #sent: { readonly id: number; readonly at: number } | undefined;
  /** The newest round trips in ms, the newest last. */
  #roundTrips: readonly number[] = [];
  #acks = 0;
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#acked = parts.channel.welcome.id;
  }

  /**
   * Round trip in ms; 0 before the first answer. The median of the newest: one that was slow because either process was
   * busy just then says nothing about the network, and in a mean it counts for a minute.
   */
  get rttMs(): number {
    const sorted = this.#roundTrips.toSorted((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  }

  start(): void {
    this.#beat();
    this.#nextAfter(SETTLED_MS);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  onAck(ack: Extract<ControlPlaneMessage, { type: "heartbeat.ack" }>): void {
    if (this.#isStopped) return;
    this.#acked = Math.max(this.#acked, ack.id);
    if (this.#sent && ack.re === this.#sent.id) {
      const rtt = this.#parts.clock.now() - this.#sent.at;
      this.#sent = undefined;
      this.#roundTrips = [...this.#roundTrips, rtt].slice(-ROUND_TRIPS);
      this.#acks += 1;
      this.#parts.telemetry.heartbeatAnswered(rtt);
      if (this.#acks === 1) void this.#secondBeat();
      if (this.#acks === READY_ACK) this.#nextAfter(SETTLED_MS);
      if (this.#acks === PROVING_ACK) this.#parts.onProven();
    }
  }

  /** Never while another is unanswered: that one would then name an old ack, and the node would not be ready. */
  async #secondBeat(): Promise<void> {
    await this.#parts.beforeReady();
    if (this.#isStopped || this.#acks !== 1 || this.#sent) return;
    this.#beat();
    this.#nextAfter(this.#intervalMs());
  }

  #beat(): void {
    const { channel, clock, desired } = this.#parts;
    const { rev, digest } = desired();
    const id = channel.send({ type: "heartbeat", acked: this.#acked, desiredRev: rev, digest });
    if (id !== 0) this.#sent = { id, at: clock.now() };
  }

  #nextAfter(ms: number): void {
    this.#cancel();
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#beat();
      this.#nextAfter(this.#intervalMs());
    });
  }

  #intervalMs(): number {
    const { random, channel } = this.#parts;
    return channel.welcome.heartbeatMs * (1 - JITTER * random.next());
  }
}
