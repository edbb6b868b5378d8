import { MAX_BODY_BYTES } from "../../../shared/protocol/limits.ts";
import { readRequestHead, REQUEST_HEADER, type RequestHead } from "./link-frame.ts";

/** Puts requests together out of what comes from a socket. A large body comes in many chunks, which are copied once. */
export class RequestReader {
  readonly #onRequest: (head: RequestHead, body: Uint8Array) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Below it there is nothing to read yet. */
  #neededBytes = REQUEST_HEADER;

  /** `body` belongs to the receiver. */
  constructor(onRequest: (head: RequestHead, body: Uint8Array) => void) {
    this.#onRequest = onRequest;
  }

  /** Calls the receiver for each request that is whole now. Throws for a body that no agent sends. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes < this.#neededBytes) return;
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes);
    this.#neededBytes = REQUEST_HEADER;
    while (rest.byteLength >= REQUEST_HEADER) {
      const head = readRequestHead(new DataView(rest.buffer, rest.byteOffset, REQUEST_HEADER));
      if (head.bodyLength > MAX_BODY_BYTES) throw new Error(`the agent sent a body of ${head.bodyLength} bytes`);
      const end = REQUEST_HEADER + head.bodyLength;
      if (rest.byteLength < end) {
        this.#neededBytes = end;
        break;
      }
      this.#onRequest(head, rest.subarray(REQUEST_HEADER, end));
      rest = rest.subarray(end);
    }
    this.#chunks = rest.byteLength === 0 ? [] : [rest];
    this.#bytes = rest.byteLength;
  }
}
