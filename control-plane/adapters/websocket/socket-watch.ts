import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE, type CloseCode } from "../../../shared/protocol/close-codes.ts";
import { OUTBOUND_PAUSE_BYTES, OUTBOUND_STALL_MS, OUTBOUND_TERMINATE_BYTES } from "../../../shared/protocol/limits.ts";

/** How long a polite close may take. Measured: a stopped peer never answers it, and its buffers stay until `terminate()`. */
const CLOSE_GRACE_MS = 2_000;

/** What every channel needs of its socket: when a byte last came, and bounds on what waits to go out. */
export class SocketWatch {
  readonly #webSocket: WebSocket;
  readonly #clock: Clock;
  #heardAt: number;
  #stalledSince: number | undefined;
  #isClosing = false;

  constructor(webSocket: WebSocket, { below, clock }: { readonly below: Duplex; readonly clock: Clock }) {
    this.#webSocket = webSocket;
    this.#clock = clock;
    this.#heardAt = clock.now();
    // Noted as they come: to ask a thousand sockets for their byte counts twice a second cost 1 % of a core.
    below.prependListener("data", () => (this.#heardAt = clock.now()));
  }

  /** When a byte last arrived, in ms of the clock. */
  lastByteAt(): number {
    return this.#heardAt;
  }

  /** True while the peer takes what we send. Terminates the socket over 4 MiB, or after 10 s above 1 MiB. */
  hasRoom(): boolean {
    const waiting = this.#webSocket.bufferedAmount;
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return false;
    if (waiting < OUTBOUND_PAUSE_BYTES) {
      this.#stalledSince = undefined;
      return true;
    }
    this.#stalledSince ??= this.#clock.now();
    const isOver = waiting > OUTBOUND_TERMINATE_BYTES || this.#clock.now() - this.#stalledSince > OUTBOUND_STALL_MS;
    if (isOver) this.close(CLOSE.TOO_SLOW, "the other side takes nothing");
    return false;
  }

  /** The peer took something: however much waits behind it, it is not stalled. */
  madeProgress(): void {
    this.#stalledSince = undefined;
  }

  /**
   * Closes politely, then for good. A silent peer gets no grace: it would not answer, and until the socket is gone the
   * requests inside it are neither lost nor tried elsewhere.
   */
  close(code: CloseCode, reason: string): void {
    if (this.#webSocket.readyState === this.#webSocket.CLOSED) return;
    this.#webSocket.close(code, reason);
    if (code === CLOSE.TOO_SLOW) return this.#webSocket.terminate();
    if (this.#isClosing) return; // a peer that breaks the rules breaks them with every message of what was read at once
    this.#isClosing = true;
    const cancel = this.#clock.after(CLOSE_GRACE_MS, () => this.#webSocket.terminate());
    this.#webSocket.once("close", cancel);
  }
}
