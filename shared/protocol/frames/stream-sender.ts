import { ChurnMap } from "../../bytes/churn-map.ts";
import type { OwnedBytes } from "../../bytes/owned-bytes.ts";
import { INITIAL_CREDIT_BYTES, MAX_MESSAGE_BYTES } from "../limits.ts";
import { SendTurns } from "./send-turns.ts";
import { StreamCredit } from "./stream-credit.ts";
import {
  DATA_HEADER,
  encodeResponseHead,
  encodeStreamData,
  encodeTrailers,
  type ResponseHeadFrame,
  type TrailersFrame,
} from "./stream-frame.ts";

/** Bytes of a body in one DATA frame; a response that is no longer needs no stream. */
export const STREAMED_BYTES = MAX_MESSAGE_BYTES - DATA_HEADER;

/** Frames of large responses that wait in the socket: 256 KiB. */
const FRAMES_WAITING = 4;

/** The part of a socket that the sender needs. */
interface Outlet {
  /** Resolves when the system took the message, which is released then, or the socket is gone. */
  sendAndWait(message: OwnedBytes): Promise<void>;
  readonly closed: Promise<unknown>;
}

export type Trailers = Omit<TrailersFrame, "type">;

/** Sends bytes that lie at `offset` of the body, as they are granted. False when nobody reads it any more. */
export type SendPiece = (offset: number, bytes: Uint8Array) => Promise<boolean>;

/**
 * The sending side of the streamed responses of one inference channel: frame by frame, each within the credit of its
 * request, so that small responses pass between the parts of large ones.
 */
export class StreamSender {
  readonly #outlet: Outlet;
  readonly #turns = new SendTurns(FRAMES_WAITING);
  readonly #credits = new ChurnMap<StreamCredit>();

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
    void outlet.closed.then(() => {
      for (const [, credit] of this.#credits.entries()) credit.close();
    });
  }

  grant(requestId: number, bytes: number): void {
    this.#credits.get(requestId)?.grant(bytes);
  }

  /** The receiver wants no more of the response. */
  cancel(requestId: number): void {
    this.#credits.get(requestId)?.close();
  }

  /** Head, what `body` sends, and the trailers that it returns; none when nobody reads the response any more. */
  async stream(
    head: Omit<ResponseHeadFrame, "type">,
    body: (send: SendPiece) => Promise<Trailers | undefined>,
  ): Promise<void> {
    const { requestId } = head;
    const credit = new StreamCredit(INITIAL_CREDIT_BYTES);
    this.#credits.set(requestId, credit);
    try {
      void this.#outlet.sendAndWait(encodeResponseHead(head)); // the first bytes need not wait for it
      const trailers = await body((offset, bytes) => this.#send(requestId, { offset, bytes, credit }));
      if (trailers !== undefined) await this.#outlet.sendAndWait(encodeTrailers(trailers));
    } finally {
      this.#credits.delete(requestId);
    }
  }

  async #send(
    requestId: number,
    { offset, bytes, credit }: { readonly offset: number; readonly bytes: Uint8Array; readonly credit: StreamCredit },
  ): Promise<boolean> {
    for (let at = 0; at < bytes.byteLength;) {
      const taken = await credit.take(Math.min(STREAMED_BYTES, bytes.byteLength - at));
      if (taken === 0) return false;
      await this.#turns.take();
      const frame = encodeStreamData(requestId, offset + at, bytes.subarray(at, at + taken));
      void this.#outlet.sendAndWait(frame).then(() => this.#turns.leave());
      at += taken;
    }
    return true;
  }
}
