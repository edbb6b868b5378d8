import { ERRORS } from "../../../shared/base/errors.ts";
import { release } from "../../../shared/bytes/owned-bytes.ts";
import { errorBody } from "../../../shared/inference/response.ts";
import { encodeMessages, JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import { MAX_MESSAGE_BYTES } from "../../../shared/protocol/limits.ts";
import { UNKNOWN_LENGTH } from "../../../shared/protocol/frames/stream-frame.ts";
import {
  type SendPiece,
  STREAMED_BYTES,
  StreamSender,
  type Trailers,
} from "../../../shared/protocol/frames/stream-sender.ts";
import type { ResponseHead } from "../../ports/channels.ts";
import type { HostStream, HostTrailer } from "../../ports/model-hosts.ts";
import type { QueueFigures } from "../../ports/serving.ts";
import type { NodeChannel } from "./node-channel.ts";

/** What a control plane that knows no streams takes of a response. */
const OLD_MAX_BODY_BYTES = 8 * 1_048_576;
/**
 * Sends the responses of one inference channel: a small one in one frame, a larger one frame by frame, so that small ones
 * pass between the parts of it. Those go out as streams within the credit of their request; to a control plane that
 * knows no streams in DATA frames without bounds.
 */
export class ResponseSender {
  readonly #socket: NodeChannel;
  readonly #streamsResponses: boolean;
  readonly #streams: StreamSender;

  /** `streamsResponses`: the control plane understands streamed responses. */
  constructor(socket: NodeChannel, { streamsResponses }: { readonly streamsResponses: boolean }) {
    this.#socket = socket;
    this.#streamsResponses = streamsResponses;
    this.#streams = new StreamSender(socket);
  }

  grant(requestId: number, bytes: number): void {
    this.#streams.grant(requestId, bytes);
  }

  /** The control plane wants no more of the response. */
  cancel(requestId: number): void {
    this.#streams.cancel(requestId);
  }

  /** Resolves when the socket has taken it, or nobody wants it any more. */
  async respond(head: ResponseHead & Pick<ResponseFrame, "body">): Promise<void> {
    const { body } = head;
    if (this.#streamsResponses && body.byteLength > STREAMED_BYTES)
      return this.#streams.stream({ ...head, bodyLength: body.byteLength }, async (send) =>
        (await send(0, body)) ? { ...head, meta: {} } : undefined,
      );
    return this.#whole(head, [body]);
  }

  /**
   * Sends a response piece by piece as the model host makes it; none is read before the one ahead of it was sent. Resolves
   * when it is out, or was cancelled. `figures`: those of its end.
   */
  async respondInPieces(head: ResponseHead, stream: HostStream, figures: () => QueueFigures): Promise<void> {
    if (!this.#streamsResponses) return this.#collect(head, stream);
    return this.#streams.stream({ ...head, bodyLength: stream.length ?? UNKNOWN_LENGTH }, (send) =>
      this.#pieces(head, { stream, send, figures }),
    );
  }

  async #pieces(
    head: ResponseHead,
    { stream, send, figures }: { stream: HostStream; send: SendPiece; figures: () => QueueFigures },
  ): Promise<Trailers | undefined> {
    let offset = 0;
    for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
      const { byteLength } = piece;
      if (!(await send(offset, piece))) {
        stream.cancel();
        return this.#afterCancel(head, stream, figures);
      }
      release(piece);
      offset += byteLength;
      stream.passed(byteLength);
    }
    const end = await stream.ended;
    if (end.kind === "cancelled") return this.#afterCancel(head, stream, figures);
    const trailer = await stream.senderEnd;
    const usage = trailer?.usage && { usage: trailer.usage };
    if (end.kind === "failed") return { ...head, ...figures(), meta: { code: end.code, detail: end.detail, ...usage } };
    return { ...head, ...figures(), computeUs: end.trailer.computeUs, meta: { ...usage } };
  }

  /** Nobody reads the answer any more; the tokens that it took are counted all the same. */
  async #afterCancel(
    head: ResponseHead,
    stream: HostStream,
    figures: () => QueueFigures,
  ): Promise<Trailers | undefined> {
    const usage = (await stream.senderEnd)?.usage;
    return usage && { ...head, ...figures(), meta: { code: "CANCELLED", usage } };
  }

  async #whole(head: ResponseHead, pieces: readonly Uint8Array[]): Promise<void> {
    const messages = encodeMessages(head, pieces, MAX_MESSAGE_BYTES);
    const [only] = messages;
    if (only && messages.length === 1 && this.#socket.hasRoom()) return this.#socket.send(only);
    for (const message of messages) await this.#socket.sendAndWait(message);
  }

  /** For a control plane that knows no streams, and takes no more than `OLD_MAX_BODY_BYTES` of a response. */
  async #collect(head: ResponseHead, stream: HostStream): Promise<void> {
    const pieces: Uint8Array[] = [];
    for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
      if (stream.receivedBytes > OLD_MAX_BODY_BYTES) stream.fail("RUN_FAILED", TOO_LARGE);
      else pieces.push(piece);
      stream.passed(piece.byteLength);
    }
    const end = await stream.ended;
    if (end.kind === "complete") return this.#whole(withTimes(head, end.trailer), pieces);
    const [code, detail] = end.kind === "failed" ? [end.code, end.detail] : ["CANCELLED", "its caller went away"];
    return this.#whole(failed(head, code), [errorBody(detail)]);
  }
}

const TOO_LARGE = `the answer has more than the ${OLD_MAX_BODY_BYTES} bytes that a control plane of this version takes; upgrade it, or ask for fewer rows or outputs`;

const withTimes = (head: ResponseHead, { computeUs }: HostTrailer): ResponseHead => ({ ...head, computeUs });

const failed = (head: ResponseHead, code: string): ResponseHead => ({
  ...head,
  status: isKnown(code) ? ERRORS[code].status : ERRORS.INTERNAL.status,
  headerLength: JSON_BODY,
  meta: { code },
});

const isKnown = (code: string): code is keyof typeof ERRORS => Object.hasOwn(ERRORS, code);
