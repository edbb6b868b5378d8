import type { Socket } from "node:net";
import type { RawData, WebSocket } from "ws";
import type { Clock } from "../../../shared/base/clock.ts";
import { corkForThisTurn } from "../../../shared/flow/cork.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { OUTBOUND_PAUSE_BYTES, OUTBOUND_STALL_MS, OUTBOUND_TERMINATE_BYTES } from "../../../shared/protocol/limits.ts";
import { release, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import { releaseSpentChunks } from "../../../shared/bytes/spent-chunks.ts";
import { bytesOf } from "./parse-message.ts";
import type { ChannelClosed } from "../../ports/channels.ts";

/** How long a polite close may take. Measured: a stopped peer never answers it, and its buffers stay until `terminate()`. */
const CLOSE_GRACE_MS = 2_000;
/**
 * Frames up to here leave together with all that is sent in the same turn of the event loop: tokens of several answers come
 * at once, and each would be a system call that wakes the control plane.
 */
const GATHERED_BYTES = 4_096;
/** Code of a close that no close frame announced. */
const ABNORMAL = 1006;

type Listener = (data: RawData, isBinary: boolean) => void;

/** What every channel needs of its socket: messages from the very first, when a byte last came, bounds on what waits to go out. */
export class NodeChannel {
  readonly #webSocket: WebSocket;
  readonly #below: Socket;
  readonly #clock: Clock;
  readonly #early: { readonly data: RawData; readonly isBinary: boolean }[] = [];
  readonly #closed = Promise.withResolvers<ChannelClosed>();
  #listener: Listener | undefined;
  #bytesRead = 0;
  #heardAt: number;
  #stalledSince: number | undefined;
  #isClosing = false;
  #terminatedFor: string | undefined;

  /**
   * `below`: the TCP or TLS socket under an open `webSocket`. `messagesAreKept`: whether the listener looks at a message
   * after it has returned.
   */
  constructor(
    webSocket: WebSocket,
    {
      below,
      clock,
      messagesAreKept,
    }: { readonly below: Socket; readonly clock: Clock; readonly messagesAreKept: boolean },
  ) {
    this.#webSocket = webSocket;
    this.#below = below;
    this.#clock = clock;
    this.#heardAt = clock.now();
    releaseSpentChunks(webSocket, { below, messagesAreKept });
    webSocket.on("message", (data: RawData, isBinary: boolean) => {
      if (this.#listener) this.#listener(data, isBinary);
      else this.#early.push({ data: Buffer.from(bytesOf(data)), isBinary });
    });
    webSocket.on("error", () => undefined); // `close` follows and says the same
    webSocket.on("close", (code: number, reason: Buffer) =>
      this.#closed.resolve({
        code,
        reason: this.#terminatedFor ?? (reason.toString("utf8") || (code === ABNORMAL ? "connection lost" : "")),
        retryAfterMs: 0,
      }),
    );
  }

  get closed(): Promise<ChannelClosed> {
    return this.#closed.promise;
  }

  get isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN && !this.#isClosing;
  }

  /** Messages go to `listener` from now on, those that wait first. */
  listen(listener: Listener): void {
    this.#listener = listener;
    for (const { data, isBinary } of this.#early.splice(0)) listener(data, isBinary);
  }

  /** The next message; undefined when the socket closes first. */
  async next(): Promise<{ readonly data: RawData; readonly isBinary: boolean } | undefined> {
    const early = this.#early.shift();
    if (early) return early;
    const arrived = new Promise<{ readonly data: RawData; readonly isBinary: boolean }>((resolve) => {
      this.#listener = (data, isBinary) => {
        this.#listener = undefined;
        resolve({ data, isBinary });
      };
    });
    return Promise.race([arrived, this.closed.then(() => undefined)]);
  }

  /** When a byte last arrived, as exactly as this is called often. */
  lastByteAt(): number {
    if (this.#below.bytesRead !== this.#bytesRead) {
      this.#bytesRead = this.#below.bytesRead;
      this.#heardAt = this.#clock.now();
    }
    return this.#heardAt;
  }

  /** True while the peer takes what we send. Terminates the socket over 4 MiB, or after 10 s above 1 MiB. */
  hasRoom(): boolean {
    if (!this.isOpen) return false;
    const waiting = this.#webSocket.bufferedAmount;
    if (waiting < OUTBOUND_PAUSE_BYTES) {
      this.#stalledSince = undefined;
      return true;
    }
    const now = this.#clock.now();
    this.#stalledSince ??= now;
    if (waiting > OUTBOUND_TERMINATE_BYTES || now - this.#stalledSince > OUTBOUND_STALL_MS)
      this.terminate("the other side takes nothing");
    return false;
  }

  send(data: string | Uint8Array): void {
    if (!this.isOpen) return;
    corkForThisTurn(this.#below);
    this.#webSocket.send(data);
  }

  /** Resolves when the kernel took the message, which is released then, or the socket is gone. */
  sendAndWait(data: OwnedBytes): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    if (data.byteLength <= GATHERED_BYTES) corkForThisTurn(this.#below);
    return new Promise((resolve) => {
      this.#webSocket.send(data, (error) => {
        if (!error) release(data);
        resolve();
      });
    });
  }

  ping(): void {
    if (this.isOpen) this.#webSocket.ping();
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  /** Closes politely, then for good. */
  close(code: number, reason: string): void {
    if (this.#isClosing || this.#webSocket.readyState === this.#webSocket.CLOSED) return;
    this.#isClosing = true;
    this.#webSocket.resume(); // a paused socket would never read the answer
    this.#webSocket.close(
      code,
      Buffer.from(reason)
        .subarray(0, 120)
        .toString("utf8")
        .replace(/\uFFFD$/u, ""),
    );
    const cancel = this.#clock.after(CLOSE_GRACE_MS, () => this.#webSocket.terminate());
    this.#webSocket.once("close", cancel);
  }

  /** Ends the socket at once and frees its buffers. */
  terminate(why: string): void {
    this.#terminatedFor ??= why;
    this.#isClosing = true;
    this.#webSocket.terminate();
  }
}

/** What a refused upgrade amounts to, in the words of the close codes. */
export function closedByStatus(status: number, retryAfter: string | undefined): ChannelClosed {
  const codes: Readonly<Record<number, number>> = {
    401: CLOSE.BAD_PROOF,
    403: CLOSE.NOT_YOURS,
    410: CLOSE.NODE_DELETED,
    429: CLOSE.TOO_MANY_MESSAGES,
    503: CLOSE.CAPACITY,
  };
  const reasons: Readonly<Record<number, string>> = {
    401: "the control plane does not know this node (HTTP 401): it was removed long ago, or this is another database",
    410: "this node was removed from the control plane (HTTP 410)",
    503: "the control plane takes no session now (HTTP 503)",
  };
  const seconds = Number(retryAfter ?? 0);
  return {
    code: codes[status] ?? CLOSE.FAULT,
    reason: reasons[status] ?? `the control plane answered HTTP ${status}`,
    retryAfterMs: Number.isFinite(seconds) ? Math.max(0, Math.min(seconds, 3_600)) * 1_000 : 0,
  };
}
