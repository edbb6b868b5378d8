import { own, type OwnedBytes } from "../bytes/owned-bytes.ts";
import { JSON_BODY } from "../protocol/frames/inference-frame.ts";
import { invalid } from "./faults.ts";
import { type JsonObject, parseBody } from "./json.ts";

/** A body as it travels: JSON, then the blobs of the binary tensors. */
export interface EncodedBody {
  readonly body: OwnedBytes;
  /** Bytes of the JSON part; `JSON_BODY` when nothing follows it. */
  readonly headerLength: number;
}

const encoder = new TextEncoder();

/** Hands out the blobs behind the JSON part, in the order of the tensors. */
export class Blobs {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(size: number, label: string): Uint8Array {
    const left = this.#bytes.byteLength - this.#at;
    if (size > left)
      throw invalid(
        `${label} says ${size} bytes, but only ${left} are left in the body; the sizes must add up to Content-Length`,
      );
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  /** To be called after the last tensor. */
  finish(what: string): void {
    const left = this.#bytes.byteLength - this.#at;
    if (left > 0)
      throw invalid(`${what} has ${left} bytes more than its tensors; the sizes must add up to Content-Length`);
  }
}

/** Splits a body into its parsed JSON and its blobs. */
export function splitBody(
  body: Uint8Array,
  headerLength: number,
  what: string,
): { readonly json: JsonObject; readonly blobs: Blobs } {
  const jsonBytes = headerLength === JSON_BODY ? body.byteLength : headerLength;
  if (jsonBytes > body.byteLength) {
    throw invalid(
      `${what} has ${body.byteLength} bytes, but Inference-Header-Content-Length says ${jsonBytes} for its JSON part alone`,
    );
  }
  return { json: parseBody(body.subarray(0, jsonBytes), what), blobs: new Blobs(body.subarray(jsonBytes)) };
}

/** JSON and blobs, one behind the other. */
export function joinBody(json: string, blobs: readonly Uint8Array[]): EncodedBody {
  const header = own(encoder.encode(json));
  if (blobs.length === 0) return { body: header, headerLength: JSON_BODY };
  const body = own(new Uint8Array(blobs.reduce((sum, { byteLength }) => sum + byteLength, header.byteLength)));
  body.set(header);
  let at = header.byteLength;
  for (const blob of blobs) {
    body.set(blob, at);
    at += blob.byteLength;
  }
  return { body, headerLength: header.byteLength };
}
