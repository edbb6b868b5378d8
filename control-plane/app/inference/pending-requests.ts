import { ChurnMap } from "../../../shared/bytes/churn-map.ts";
import type { ResponseStream } from "../../../shared/inference/response-stream.ts";
import type { Owned } from "../../../shared/protocol/frames/body-assembly.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import { STREAM_STALL_MS } from "../../../shared/protocol/limits.ts";
import type { ResponseHeadFrame, TrailersFrame } from "../../../shared/protocol/frames/stream-frame.ts";

/** A body on its way from a node; its trailer carries the figures of the placement. */
export type NodeStream = ResponseStream<TrailersFrame>;

/** How one attempt at a node went until its head: from here on there is nothing to retry, or nothing was delivered. */
export type AttemptOutcome =
  /** The whole answer in one. */
  | { readonly kind: "answered"; readonly response: Owned<ResponseFrame> }
  /** The answer has begun, and its body follows. */
  | { readonly kind: "streaming"; readonly head: ResponseHeadFrame; readonly stream: NodeStream }
  /** More waits for the node's channel than may. */
  | { readonly kind: "unsent" }
  /** The channel closed with the request inside. */
  | { readonly kind: "lost" }
  /** Nothing came within the time; the node was told to forget it. */
  | { readonly kind: "timed-out" }
  /** The caller has gone; the node was told to drop it. */
  | { readonly kind: "cancelled" };

interface Pending {
  deadline: number;
  /** At the deadline: until when it may wait longer; undefined: not. */
  readonly moreTime: ((now: number) => number | undefined) | undefined;
  readonly settle: (outcome: AttemptOutcome) => void;
  /** Set from the head on. */
  stream: NodeStream | undefined;
  /** When a piece last came while streaming, as the sweep saw it. */
  seen: { readonly bytes: number; readonly at: number } | undefined;
}

/** Most streams that were cancelled and whose node has not ended them yet; beyond it the oldest are forgotten. */
const MOST_CANCELLED = 1_024;

/**
 * Requests under way on one inference channel, by their id.
 *
 *   waiting     from `begin`: the node has been asked. `settle` ends it with a whole answer or without any, `stream`
 *               makes it streaming. Bounded by its deadline.
 *   streaming   from the head of a streamed response: its outcome is known, its body is not. Ends with the stream, for
 *               which `loseAll`, `cancel` and a node silent for `STREAM_STALL_MS` see. Not bounded by the deadline,
 *               which is about the head.
 *   ended       not in the table. Whatever still comes for its id is ignored, but for the end of a stream that was cancelled:
 *               it tells what the answer had taken by then.
 *
 * Each one ends exactly once.
 */
export class PendingRequests {
  readonly #pending = new ChurnMap<Pending>();
  readonly #cancelled = new Map<number, NodeStream>();
  #lastId = 0;
  #onFirst: () => void = () => undefined;

  get size(): number {
    return this.#pending.size;
  }

  /** `listener` is called whenever a request begins while no other is under way. */
  onFirst(listener: () => void): void {
    this.#onFirst = listener;
    if (this.size > 0) listener();
  }

  /** Registers a request; `deadline` in ms of the caller's clock, at which `moreTime` may tell another one. */
  begin(
    deadline: number,
    moreTime?: (now: number) => number | undefined,
  ): { readonly requestId: number; readonly outcome: Promise<AttemptOutcome> } {
    this.#lastId = (this.#lastId % 0xffff_fffe) + 1;
    const requestId = this.#lastId;
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    if (this.size === 0) this.#onFirst();
    this.#pending.set(requestId, { deadline, moreTime, settle: resolve, stream: undefined, seen: undefined });
    return { requestId, outcome: promise };
  }

  isPending(requestId: number): boolean {
    return this.#pending.has(requestId);
  }

  /** Waiting → ended. False when it does not wait for its head any more. */
  settle(requestId: number, outcome: Exclude<AttemptOutcome, { kind: "streaming" }>): boolean {
    const entry = this.#pending.get(requestId);
    if (!entry || entry.stream !== undefined) return false;
    this.#pending.delete(requestId);
    entry.settle(outcome);
    return true;
  }

  /** Waiting → streaming, until the stream ends. False when it does not wait for its head any more. */
  stream(requestId: number, head: ResponseHeadFrame, stream: NodeStream): boolean {
    const entry = this.#pending.get(requestId);
    if (!entry || entry.stream !== undefined) return false;
    entry.stream = stream;
    entry.settle({ kind: "streaming", head, stream });
    return true;
  }

  /** The body that is on its way for the request; undefined when there is none. */
  streamOf(requestId: number): NodeStream | undefined {
    return this.#pending.get(requestId)?.stream;
  }

  /** Streaming → ended, as its node has ended it. The stream, also when it was cancelled before; undefined when there is none. */
  streamEnded(requestId: number): NodeStream | undefined {
    const stream = this.streamOf(requestId) ?? this.#cancelled.get(requestId);
    if (stream === undefined) return undefined;
    this.#pending.delete(requestId);
    this.#cancelled.delete(requestId);
    return stream;
  }

  /** Ends a request whose caller has gone, whether its head has come or not. False when it had ended: the node need not be told. */
  cancel(requestId: number): boolean {
    const stream = this.streamOf(requestId);
    if (stream === undefined) return this.settle(requestId, { kind: "cancelled" });
    this.#pending.delete(requestId);
    this.#cancelled.set(requestId, stream);
    const [oldest] = this.#cancelled.keys();
    if (this.#cancelled.size > MOST_CANCELLED && oldest !== undefined) this.#forget(oldest);
    return stream.cancel();
  }

  /** Of a stream that was cancelled: its node says nothing more. */
  #forget(requestId: number): void {
    this.#cancelled.get(requestId)?.fail("NODE_LOST", "the node went away");
    this.#cancelled.delete(requestId);
  }

  /** Ends those past their deadline, and streams whose node is silent, and names them, so that the node can be told. */
  expire(now: number): readonly number[] {
    const late: number[] = [];
    for (const [requestId, entry] of this.#pending.entries()) {
      if (entry.stream === undefined && entry.deadline <= now) entry.deadline = entry.moreTime?.(now) ?? entry.deadline;
      const isLate = entry.stream === undefined ? entry.deadline <= now : isSilent(entry, entry.stream, now);
      if (isLate) late.push(requestId);
    }
    for (const requestId of late) this.#end(requestId, "timed-out");
    return late;
  }

  loseAll(): void {
    for (const [requestId] of this.#pending.entries()) this.#end(requestId, "lost");
    for (const requestId of this.#cancelled.keys()) this.#forget(requestId);
  }

  #end(requestId: number, kind: "timed-out" | "lost"): void {
    const stream = this.streamOf(requestId);
    if (stream === undefined) return void this.settle(requestId, { kind });
    this.#pending.delete(requestId);
    if (kind === "lost") stream.fail("NODE_LOST", "the node went away before the end of its answer");
    else stream.fail("DEADLINE_EXCEEDED", `the node sent nothing for ${STREAM_STALL_MS} ms within its answer`);
  }
}

function isSilent(entry: Pending, stream: NodeStream, now: number): boolean {
  if (entry.seen?.bytes !== stream.receivedBytes || !stream.isSenderFree)
    entry.seen = { bytes: stream.receivedBytes, at: now };
  return now - entry.seen.at >= STREAM_STALL_MS;
}
