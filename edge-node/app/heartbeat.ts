import type { Clock } from "../../shared/clock.ts";
import type { Digest } from "../../shared/digest.ts";
import type { Random } from "../../shared/random.ts";
import { SECOND_HEARTBEAT_MS } from "../../shared/protocol/limits.ts";
import type { ControlPlaneMessage } from "../../shared/protocol/messages.ts";
import type { ControlLink, NodeTelemetry } from "../ports.ts";

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
  /** Called once, when both directions have worked twice. */
  readonly onProven: () => void;
}

/** The pulse of one session: the first beat at once, the second 1 s later, then at the interval of `welcome`. */
export class Heartbeat {
  readonly #parts: Parts;
  /** Id of the newest `heartbeat.ack` or `welcome`. */
  #acked: number;
  #sent: { readonly id: number; readonly at: number } | undefined;
  #rttMs = 0;
  #acks = 0;
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
    this.#beat();
    this.#after(SECOND_HEARTBEAT_MS);
  }

  stop(): void {
    this.#cancel();
  }

  onAck(ack: Extract<ControlPlaneMessage, { type: "heartbeat.ack" }>): void {
    this.#acked = Math.max(this.#acked, ack.id);
    if (this.#sent && ack.re === this.#sent.id) {
      const rtt = this.#parts.clock.now() - this.#sent.at;
      this.#rttMs = this.#acks === 0 ? rtt : this.#rttMs + (rtt - this.#rttMs) * SMOOTHING;
      this.#acks += 1;
      this.#parts.telemetry.heartbeatAnswered(rtt);
      if (this.#acks === 2) this.#parts.onProven();
    }
  }

  #beat(): void {
    const { link, clock, desired } = this.#parts;
    const { rev, digest } = desired();
    const id = link.send({ type: "heartbeat", acked: this.#acked, desiredRev: rev, digest });
    if (id !== 0) this.#sent = { id, at: clock.now() };
  }

  #after(ms: number): void {
    const { clock, random, link } = this.#parts;
    this.#cancel = clock.after(ms, () => {
      this.#beat();
      this.#after(link.welcome.heartbeatMs * (1 - JITTER * random.next()));
    });
  }
}
