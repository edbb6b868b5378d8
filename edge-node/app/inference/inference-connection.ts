import { Cancellation } from "../../../shared/flow/cancellation.ts";
import { ChurnMap } from "../../../shared/bytes/churn-map.ts";
import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { release } from "../../../shared/bytes/owned-bytes.ts";
import type { Owned } from "../../../shared/protocol/frames/body-assembly.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { INFERENCE_FRAME } from "../../../shared/protocol/frames/inference-frame.ts";
import type { RequestFrame } from "../../../shared/protocol/frames/request-frame.ts";
import { DRAIN_MS } from "../../../shared/protocol/limits.ts";
import { Reconnect } from "../../core/reconnect.ts";
import type { InferenceChannel, ChannelClosed, ResponseHead } from "../../ports/channels.ts";
import type { WorkerResponse } from "../../ports/serving.ts";
import { isChannelRefused } from "../session/channel-refused.ts";
import type { RequestExecutor } from "./request-executor.ts";
import { traceLine } from "./trace-line.ts";

type Handlers = { onRequest(frame: Owned<RequestFrame>): void; onCancel(requestId: number): void };

interface Parts {
  readonly dial: (handlers: Handlers, signal: AbortSignal) => Promise<InferenceChannel>;
  readonly serving: RequestExecutor;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const FAREWELL_MS = 5_000;
/** A channel that stood so long was no failure: the back-off starts over. */
const PROVEN_MS = 5_000;

/**
 * The channel on which one session's requests come. Open while it is wanted (a placement loads or is ready); dialled again,
 * with back-off, when it breaks. Every request gets exactly one response, on the socket that it came from.
 */
export class InferenceConnection {
  readonly #parts: Parts;
  readonly #reconnect: Reconnect;
  #open: AbortController | undefined;
  #opened = Promise.withResolvers<void>();
  #loop: Promise<void> = Promise.resolve();
  #isWanted = false;
  #isOver = false;
  #inFlight = 0;
  readonly #onIdle: (() => void)[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#reconnect = new Reconnect(parts.random);
  }

  /** Opens the channel, or lets go of it once its requests have ended. */
  want(isWanted: boolean): void {
    if (this.#isOver || isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    if (!isWanted) return void this.#letGo();
    if (this.#open) return; // it was about to go, and stays
    this.#open = new AbortController();
    this.#opened = Promise.withResolvers();
    this.#loop = this.#keepOpen(this.#open.signal);
  }

  /** Resolves when the channel has been opened, or at once while it is not wanted. */
  whenOpened(): Promise<void> {
    return this.#isWanted ? this.#opened.promise : Promise.resolve();
  }

  /** The session is over: what runs may end within 5 s, then the channel closes. Resolves when it has. */
  async close(): Promise<void> {
    this.#isOver = true;
    if (this.#open) await this.#idle(FAREWELL_MS);
    this.#open?.abort();
    await this.#loop;
  }

  async #letGo(): Promise<void> {
    await this.#idle(DRAIN_MS);
    if (this.#isWanted) return;
    this.#open?.abort();
    this.#open = undefined;
  }

  /** Resolves when no request is under way, or after `ms`. */
  #idle(ms: number): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(ms, resolve);
      this.#onIdle.push(() => {
        cancel();
        resolve();
      });
    });
  }

  async #keepOpen(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!signal.aborted) {
      const openedAt = clock.now();
      const closed = await this.#once(signal);
      if (signal.aborted || this.#isOver) return;
      logger.warn({ code: closed.code, reason: closed.reason }, "the inference channel is not open");
      if (clock.now() - openedAt >= PROVEN_MS) this.#reconnect.proven();
      const redial = this.#reconnect.after(closed, clock.now());
      if (redial.kind === "never") return; // the control channel learns the same
      await sleep(clock, redial.waitMs, signal).catch(() => undefined);
    }
  }

  /** One socket from dial to close. */
  async #once(signal: AbortSignal): Promise<ChannelClosed> {
    const running = new ChurnMap<Cancellation>();
    const opened = Promise.withResolvers<InferenceChannel>();
    const handlers: Handlers = {
      onRequest: (frame) => void this.#answer(frame, running, opened.promise),
      onCancel: (requestId) => running.get(requestId)?.cancel(),
    };
    try {
      const channel = await this.#parts.dial(handlers, signal);
      opened.resolve(channel);
      this.#opened.resolve();
      this.#parts.serving.reached();
      const letGo = (): void => channel.close(CLOSE.DONE, "");
      if (signal.aborted) letGo();
      else signal.addEventListener("abort", letGo, { once: true });
      const closed = await channel.closed;
      signal.removeEventListener("abort", letGo);
      return closed;
    } catch (error) {
      return isChannelRefused(error) ? error.closed : { code: CLOSE.FAULT, reason: messageOf(error), retryAfterMs: 0 };
    } finally {
      for (const [, request] of running.entries()) request.cancel(); // nobody is there to take the answers
    }
  }

  async #answer(
    frame: Owned<RequestFrame>,
    running: ChurnMap<Cancellation>,
    channel: Promise<InferenceChannel>,
  ): Promise<void> {
    const { serving, logger } = this.#parts;
    const cancellation = new Cancellation();
    running.set(frame.requestId, cancellation);
    this.#inFlight += 1;
    try {
      const { streams, placementId } = frame.meta;
      if (streams !== undefined) {
        const { body, deadlineMs } = frame;
        const answer = await serving.operate({ placementId, operation: streams, body, deadlineMs });
        return await respond(await channel, frame.requestId, answer);
      }
      const answer = await serving.infer({
        placementId,
        body: frame.body,
        headerLength: frame.headerLength,
        deadlineMs: frame.deadlineMs,
        edgeOnly: frame.edgeOnly,
        priority: frame.priority,
        ...(frame.meta.explain === true && { explain: true }),
        ...(frame.meta.doubt !== undefined && { doubt: frame.meta.doubt }),
        ...(frame.meta.stream !== undefined && { stream: frame.meta.stream }),
        cancellation,
      });
      traceLine(logger, { placementId: frame.meta.placementId, traceparent: frame.meta.traceparent }, answer);
      await respond(await channel, frame.requestId, answer);
      // The host has read what it has answered; what it has not, a socket may still be writing.
      if (answer.code === undefined) release(frame.body);
    } catch (error) {
      logger.error({ error: messageOf(error) }, "a request could not be answered");
    } finally {
      running.delete(frame.requestId);
      this.#inFlight -= 1;
      if (this.#inFlight === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }
}

async function respond(channel: InferenceChannel, requestId: number, answer: WorkerResponse): Promise<void> {
  const { body, figuresAtEnd = () => answer } = answer;
  const head = headOf(requestId, answer);
  if (!(body instanceof Uint8Array)) return channel.respondInPieces(head, body, figuresAtEnd);
  await channel.respond({ ...head, body });
  release(body);
}

function headOf(requestId: number, answer: WorkerResponse): ResponseHead {
  const { status, code, wasNotExecuted, headerLength, queueUs, computeUs, isDoubtful, isExplained, isStreamMissing } =
    answer;
  const { nodeInFlight, placementInFlight, meanUs, p95Us, slots } = answer;
  return {
    type: INFERENCE_FRAME.RESPONSE,
    requestId,
    wasNotExecuted,
    status,
    nodeInFlight,
    queueUs,
    computeUs,
    headerLength,
    placementInFlight,
    meanUs,
    p95Us,
    slots,
    meta: {
      ...(code !== undefined && { code }),
      ...(isDoubtful === true && { doubtful: true }),
      ...(isExplained === true && { explained: true }),
      ...(isStreamMissing === true && { streamMissing: true }),
    },
  };
}
