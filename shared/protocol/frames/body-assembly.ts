import { ChurnMap } from "../../bytes/churn-map.ts";
import { allocate, type OwnedBytes } from "../../bytes/owned-bytes.ts";
import { MAX_BODIES_IN_FLIGHT_BYTES, MAX_BODY_BYTES } from "../limits.ts";
import type { RequestFrame } from "./request-frame.ts";
import type { ResponseFrame } from "./response-frame.ts";
import type { DataFrame } from "./stream-frame.ts";

interface Unfinished<Frame> {
  readonly first: Frame;
  readonly body: OwnedBytes;
  filled: number;
}

/** A frame with all of its body, which goes with it. */
export type Owned<Frame> = Frame & { readonly body: OwnedBytes };

/** What a frame led to. `refused`: over a bound, answer 413 or 429. `broken`: not the protocol, close 4400. */
export type Assembled<Frame> =
  | { readonly kind: "complete"; readonly frame: Owned<Frame> }
  | { readonly kind: "partial" }
  | { readonly kind: "refused"; readonly frame: Frame; readonly status: 413 | 429 }
  | { readonly kind: "ignored" }
  | { readonly kind: "broken" };

/**
 * Puts the bodies of one inference channel together. The first frame reserves its whole body, so memory is bounded
 * before a byte of it arrives; DATA frames must continue exactly where the last one ended. DATA of an unknown or
 * refused id is ignored: its request was answered already. Bodies are copied, so a frame's message is free to go.
 */
export class BodyAssembly<Frame extends RequestFrame | ResponseFrame> {
  readonly #unfinished = new ChurnMap<Unfinished<Frame>>();
  #reservedBytes = 0;

  /** Bytes reserved for bodies that are not complete. */
  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  begin(frame: Frame): Assembled<Frame> {
    if (this.#unfinished.has(frame.requestId)) return { kind: "broken" };
    if (frame.bodyLength > MAX_BODY_BYTES) return { kind: "refused", frame, status: 413 };
    if (!frame.end && this.#reservedBytes + frame.bodyLength > MAX_BODIES_IN_FLIGHT_BYTES)
      return { kind: "refused", frame, status: 429 };
    const body = allocate(frame.bodyLength);
    body.set(frame.body);
    if (frame.end) return { kind: "complete", frame: { ...frame, body } };
    this.#reservedBytes += frame.bodyLength;
    this.#unfinished.set(frame.requestId, { first: frame, body, filled: frame.body.byteLength });
    return { kind: "partial" };
  }

  continue(data: DataFrame): Assembled<Frame> {
    const entry = this.#unfinished.get(data.requestId);
    if (!entry) return { kind: "ignored" };
    const filled = entry.filled + data.body.byteLength;
    if (
      data.offset !== entry.filled ||
      filled > entry.body.byteLength ||
      data.end !== (filled === entry.body.byteLength)
    ) {
      return { kind: "broken" };
    }
    entry.body.set(data.body, data.offset);
    entry.filled = filled;
    if (!data.end) return { kind: "partial" };
    this.drop(data.requestId);
    const whole = { ...entry.first, end: true };
    return { kind: "complete", frame: { ...whole, body: entry.body } };
  }

  /** Forgets an unfinished body and frees its reservation. */
  drop(requestId: number): void {
    const entry = this.#unfinished.get(requestId);
    if (!entry) return;
    this.#unfinished.delete(requestId);
    this.#reservedBytes -= entry.body.byteLength;
  }
}
