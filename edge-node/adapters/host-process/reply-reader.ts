import { release, own, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import {
  bytesBehind,
  readReplyHead,
  REPLY_HEADER,
  type ReplyHead,
  WHOLE_ANSWER_BYTES,
} from "../../model-host/link/link-frame.ts";

export interface Reply extends ReplyHead {
  readonly body: OwnedBytes;
}

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Cuts the stream of a host into replies. A reply that came in one piece, which is nearly every one, is a view of that
 * piece; a longer body is put together once, in a buffer of its size.
 */
export class ReplyReader {
  /** Less than one header. */
  #rest: Buffer = NOTHING;
  #unfinished: { readonly head: ReplyHead; readonly body: Buffer; filled: number } | undefined;

  /** Replies that `chunk` completes. Throws when the host speaks something else: it is to be killed. */
  push(chunk: Buffer): readonly Reply[] {
    const replies: Reply[] = [];
    let bytes = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = NOTHING;
    while (bytes.byteLength > 0) {
      if (this.#unfinished !== undefined) {
        const { head, body, filled } = this.#unfinished;
        const taken = bytes.copy(body, filled);
        this.#unfinished.filled += taken;
        bytes = bytes.subarray(taken);
        if (taken === chunk.byteLength) release(own(chunk));
        if (this.#unfinished.filled < body.byteLength) break;
        this.#unfinished = undefined;
        replies.push({ ...head, body: own(body) });
        continue;
      }
      if (bytes.byteLength < REPLY_HEADER) {
        this.#rest = bytes;
        break;
      }
      const head = readReplyHead(new DataView(bytes.buffer, bytes.byteOffset, REPLY_HEADER));
      const length = bytesBehind(head);
      if (length > WHOLE_ANSWER_BYTES) throw new RangeError(`a reply of ${length} bytes`);
      const end = REPLY_HEADER + length;
      if (end <= bytes.byteLength) {
        replies.push({ ...head, body: own(bytes.subarray(REPLY_HEADER, end)) });
        bytes = bytes.subarray(end);
      } else {
        this.#unfinished = { head, body: Buffer.allocUnsafeSlow(length), filled: 0 };
        bytes = bytes.subarray(REPLY_HEADER);
      }
    }
    return replies;
  }
}
