import type { Clock } from "../../shared/clock.ts";
import type { Digest } from "../../shared/digest.ts";
import type { Random } from "../../shared/random.ts";
import type { ControlPlaneMessage } from "../../shared/protocol/messages.ts";
import type { ControlLink, NodeTelemetry } from "../ports.ts";

/** A session that ends sooner was none: the next dial waits longer. */
const SETTLED_MS = 1_000;
/** Weight of the newest round trip in the mean. */
const SMOOTHING = 0.3;
/** Heartbeats come up to this share early, so that a thousand nodes do not beat together. */
const JITTER = 0.1;

interface Parts {
  readonly link: ControlLink;
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

/** The answer that proves the session: of the beat that came `SETTLED_MS` after the node was ready. */
const PROVING_ACK = 3;

/**
 * The pulse of one session: the first beat at once, the second as soon as the first was answered and what makes the node
 * fit to serve is in place, the third 1 s later, then at the interval of `welcome`. A node comes back within two round
 * trips, and one whose sessions do not last for a second still backs off.
 */
export class Heartbeat {
  readonly #parts: Parts;
  /** Id of the newest `heartbeat.ack` or `welcome`. */
  #acked: number;
  /** The newest beat, until it is answered. */
  #sent: { readonly id: number; readonly at: number } | undefined;
  #rttMs = 0;
  #acks = 0;
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#acked = parts.link.welcome.id;
  }

  /** Mean round trip, in ms; 0 before the first answer. */
  get rttMs(): number {
    return this.#rttMs;
  }

  start(): void {
    this.#beatAndAfter(SETTLED_MS);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  onAck(ack: Extract<ControlPlaneMessage, { type: "heartbeat.ack" }>): void {
    this.#acked = Math.max(this.#acked, ack.id);
    if (this.#sent && ack.re === this.#sent.id) {
      const rtt = this.#parts.clock.now() - this.#sent.at;
      this.#sent = undefined;
      this.#rttMs = this.#acks === 0 ? rtt : this.#rttMs + (rtt - this.#rttMs) * SMOOTHING;
      this.#acks += 1;
      this.#parts.telemetry.heartbeatAnswered(rtt);
      if (this.#acks === 1) void this.#secondBeat();
      if (this.#acks === PROVING_ACK) this.#parts.onProven();
    }
  }

  /** Never while another is unanswered: that one would then name an old ack, and count as none. */
  async #secondBeat(): Promise<void> {
    await this.#parts.beforeReady();
    if (!this.#isStopped && this.#acks === 1 && !this.#sent) this.#beatAndAfter(SETTLED_MS);
  }

  #beat(): void {
    const { link, clock, desired } = this.#parts;
    const { rev, digest } = desired();
    const id = link.send({ type: "heartbeat", acked: this.#acked, desiredRev: rev, digest });
    if (id !== 0) this.#sent = { id, at: clock.now() };
  }

  #beatAndAfter(ms: number): void {
    const { clock, random, link } = this.#parts;
    this.#cancel();
    this.#beat();
    this.#cancel = clock.after(ms, () => this.#beatAndAfter(link.welcome.heartbeatMs * (1 - JITTER * random.next())));
  }
}
