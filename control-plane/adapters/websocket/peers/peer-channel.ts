import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { OwnedBytes } from "../../../../shared/bytes/owned-bytes.ts";
import { CLOSE, type CloseCode } from "../../../../shared/protocol/close-codes.ts";
import { INFERENCE_PING_MS, INFERENCE_SILENCE_MS } from "../../../../shared/protocol/limits.ts";
import type { NodeFrame } from "../../../ports/nodes/channels.ts";
import type { PeerChannel } from "../../../ports/nodes/peers.ts";
import { WebSocketInferenceChannel } from "../inference-channel.ts";

/** Weight of a new sample in the round trip. */
const RTT_WEIGHT = 0.3;

/** The end of a channel between control planes that dialled it. Pings measure its round trip, and show a silent other end. */
export class WebSocketPeerChannel implements PeerChannel {
  readonly closed: Promise<string>;
  readonly #webSocket: WebSocket;
  readonly #channel: WebSocketInferenceChannel;
  readonly #clock: Clock;
  #rttMs = 0;
  #pingedAt: number | undefined;
  #cancelPing: () => void = () => undefined;

  constructor(webSocket: WebSocket, parts: { readonly below: Duplex; readonly clock: Clock }) {
    this.#webSocket = webSocket;
    this.#channel = new WebSocketInferenceChannel(webSocket, parts);
    this.#clock = parts.clock;
    this.closed = new Promise((resolve) =>
      webSocket.once("close", (code: number, reason: Buffer) => {
        this.#cancelPing();
        resolve(`${code} ${reason.toString("utf8")}`.trimEnd());
      }),
    );
    webSocket.on("pong", () => this.#ponged());
    this.#ping();
  }

  get rttMs(): number {
    return this.#rttMs;
  }

  listen(onFrame: (frame: NodeFrame) => void): void {
    this.#channel.listen({ onFrame, onClosed: () => undefined });
  }

  send(messages: readonly OwnedBytes[]): boolean {
    return this.#channel.send(messages);
  }

  close(code: CloseCode, reason: string): void {
    this.#channel.close(code, reason);
  }

  lastByteAt(): number {
    return this.#channel.lastByteAt();
  }

  #ping(): void {
    const now = this.#clock.now();
    if (now - this.lastByteAt() > INFERENCE_SILENCE_MS) return this.close(CLOSE.TOO_SLOW, "no byte within the limit");
    if (this.#webSocket.readyState === this.#webSocket.OPEN) {
      this.#pingedAt = now;
      this.#webSocket.ping();
    }
    this.#cancelPing = this.#clock.after(INFERENCE_PING_MS, () => this.#ping());
  }

  #ponged(): void {
    if (this.#pingedAt === undefined) return;
    const sample = this.#clock.now() - this.#pingedAt;
    this.#pingedAt = undefined;
    this.#rttMs = this.#rttMs === 0 ? sample : this.#rttMs + RTT_WEIGHT * (sample - this.#rttMs);
  }
}
