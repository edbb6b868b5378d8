import type { Socket } from "node:net";
import { ERRORS, messageOf } from "../../../shared/base/errors.ts";
import {
  ANSWER_CODES,
  ASK,
  REFUSED_BEFORE_RUN,
  REPLY,
  REQUEST_HEADER,
  type RequestHead,
  writeRequestHead,
} from "../../model-host/link/link-frame.ts";
import type { CancelledRequests } from "../../model-host/link/cancelled-requests.ts";
import type { HostResponse, HostFailure, HostRequest } from "../../ports/model-hosts.ts";
import { type CheckedHostEvent, hostEvent } from "./host-event.ts";
import { HostStreams } from "./host-streams.ts";
import { type Reply, ReplyReader } from "./reply-reader.ts";

interface Waiting {
  readonly requestId: number;
  readonly slot: number;
  readonly timeoutMs: number;
  readonly maxRows: number;
  /** Came before its answer. */
  kept?: Uint8Array;
  resolve(answer: HostResponse): void;
  reject(failure: HostFailure): void;
}

interface Watcher {
  /** Where a host learns of requests that were taken back while it is busy with one; undefined: nowhere. */
  readonly cancelled?: CancelledRequests;
  /** It runs several requests at once, and begins their answers in any order. */
  readonly runsSeveral: boolean;
  /** `slot`: of the model of a shared host that it is about. */
  onEvent(event: CheckedHostEvent, slot: number): void;
  /** The oldest request has run for its `timeoutMs`, or an answer has begun and nothing has come of it for so long. */
  onOverdue(timeoutMs: number): void;
  /** The host said something that is not of the link's language. */
  onNonsense(why: string): void;
}

/**
 * The agent's end of a link. The host begins its answers in order and takes up at most `maxRows` requests at once, so only the
 * oldest can be running. The time of the oldest is measured: a request that waits behind a slow one is not blamed for it.
 * Of a host that runs several at once each may be running: it hangs when nothing at all has come for so long.
 */
export class ProcessLink {
  readonly #socket: Socket;
  readonly #watcher: Watcher;
  readonly #reader = new ReplyReader();
  /** Asked, and no answer has begun. */
  readonly #waiting: Waiting[] = [];
  readonly #streams: HostStreams;
  #isFinishing = false;
  #lastId = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, watcher: Watcher) {
    this.#socket = socket;
    this.#watcher = watcher;
    this.#streams = new HostStreams({ ask: (fields) => this.#say(fields), onSilent: (ms) => watcher.onOverdue(ms) });
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => undefined); // the host is gone: its exit tells the rest
  }

  get inFlight(): number {
    return this.#waiting.length;
  }

  /** `slot`: of the model of a shared host that it is for. */
  ask(request: HostRequest, slot = 0): Promise<HostResponse> {
    const {
      body,
      headerLength,
      timeoutMs,
      maxRows,
      cancellation,
      explain = false,
      leftMs = timeoutMs,
      doubt,
      kept,
    } = request;
    return new Promise((resolve, reject) => {
      this.#lastId = (this.#lastId % 0xffff_ffff) + 1;
      const requestId = this.#lastId;
      this.#waiting.push({ requestId, slot, timeoutMs, maxRows, resolve, reject });
      if (this.#waiting.length === 1) this.#watchOldest();
      this.#gather();
      const kind = explain ? ASK.EXPLAIN : ASK.REQUEST;
      const timeMs = Math.max(1, Math.floor(Math.min(timeoutMs, leftMs)));
      const measure = doubt && Buffer.from(JSON.stringify(doubt));
      const doubtLength = measure?.byteLength ?? 0;
      const bodyLength = body.byteLength + doubtLength;
      if (kept !== undefined) {
        this.#writeHead({ requestId, headerLength: 0, bodyLength: kept.byteLength, maxRows: 0, kind: ASK.KEPT, slot });
        this.#socket.write(kept);
      }
      this.#writeHead({ requestId, headerLength, bodyLength, maxRows, kind, slot, timeMs, doubtLength });
      this.#socket.write(body);
      if (measure !== undefined) this.#socket.write(measure);
      cancellation?.onCancel(() => this.#cancel(requestId));
    });
  }

  /** The memory limit of the host is another one. */
  tellLimit(): void {
    this.#say({ requestId: 0, headerLength: 0, bodyLength: 0, maxRows: 0, kind: ASK.LIMIT });
  }

  /** A shared host is to load a model into `slot`; it answers by events. */
  load(slot: number, task: Uint8Array): void {
    this.#say({ requestId: 0, headerLength: 0, bodyLength: task.byteLength, maxRows: 0, kind: ASK.LOAD, slot });
    if (!this.#socket.writableEnded) this.#socket.write(task);
  }

  unload(slot: number): void {
    this.#say({ requestId: 0, headerLength: 0, bodyLength: 0, maxRows: 0, kind: ASK.UNLOAD, slot });
  }

  /** The host answers it all the same: at once when it waits there, after its run when it runs. */
  #cancel(requestId: number): void {
    if (this.#waiting.some((waiting) => waiting.requestId === requestId)) {
      this.#watcher.cancelled?.add(requestId);
      this.#say({ requestId, headerLength: 0, bodyLength: 0, maxRows: 0, kind: ASK.CANCEL });
    } else this.#streams.cancel(requestId);
  }

  /** Something without a body. */
  #say(fields: RequestHead): void {
    if (this.#socket.writableEnded) return;
    this.#gather();
    this.#writeHead(fields);
  }

  #writeHead(fields: RequestHead): void {
    const head = Buffer.allocUnsafe(REQUEST_HEADER);
    writeRequestHead(new DataView(head.buffer, head.byteOffset, REQUEST_HEADER), fields);
    this.#socket.write(head);
  }

  /** One system call, and so one waking of the host, for all that is asked in a turn of the event loop: it can share a run. */
  #gather(): void {
    if (this.#socket.writableCorked > 0) return;
    this.#socket.cork();
    process.nextTick(() => this.#socket.uncork());
  }

  /** No more requests: the host ends when it has answered those that it has, and they were read. */
  finish(): void {
    this.#isFinishing = true;
    this.#endIfIdle();
  }

  /** Not sooner: an answer in pieces needs credit. */
  #endIfIdle(): void {
    if (this.#isFinishing && this.#waiting.length === 0 && this.#streams.size === 0) this.#socket.end();
  }

  /**
   * The process is gone: every request fails. Those that may have shared the last run count as started, since any of
   * them may be what ended it; one that comes back as not started is tried again. Returns how many those are.
   * `running`: of a shared host, the slot of the model that ran.
   */
  fail(failureOf: (started: boolean) => HostFailure, running?: number): number {
    clearTimeout(this.#timer);
    this.#streams.fail("HOST_CRASHED", failureOf(true).message);
    const waiting = this.#waiting.splice(0);
    const asked = running === undefined ? waiting : waiting.filter(({ slot }) => slot === running);
    const begun = new Set(asked.slice(0, asked[0]?.maxRows ?? 1));
    for (const each of waiting) each.reject(Object.assign(failureOf(begun.has(each)), { suspects: begun.size }));
    return begun.size;
  }

  #watchOldest(): void {
    clearTimeout(this.#timer);
    const [oldest] = this.#waiting;
    if (oldest === undefined) return;
    this.#timer = setTimeout(() => this.#watcher.onOverdue(oldest.timeoutMs), oldest.timeoutMs);
  }

  #read(chunk: Buffer): void {
    try {
      const [oldest] = this.#waiting;
      for (const reply of this.#reader.push(chunk)) this.#take(reply);
      if (this.#waiting[0] !== oldest || this.#watcher.runsSeveral) this.#watchOldest();
      this.#endIfIdle();
    } catch (error) {
      this.#watcher.onNonsense(messageOf(error));
    }
  }

  #take(reply: Reply): void {
    if (reply.kind === REPLY.EVENT) {
      const event = hostEvent.parse(JSON.parse(Buffer.from(reply.body).toString("utf8")));
      return this.#watcher.onEvent(event, reply.requestId);
    }
    if (reply.kind === REPLY.PIECE) return this.#streams.piece(reply);
    if (reply.kind === REPLY.END) return this.#streams.end(reply);
    if (reply.kind === REPLY.KEPT) {
      const of = this.#waiting.find(({ requestId }) => requestId === reply.requestId);
      // A copy: the answer is a view of the same piece and is freed with it.
      if (of !== undefined) of.kept = Uint8Array.from(reply.body);
      return;
    }
    const code = ANSWER_CODES[reply.code];
    // One that was taken back is answered before those that run.
    const isAnyOrder = code === "CANCELLED" || this.#watcher.runsSeveral;
    const at = isAnyOrder ? this.#waiting.findIndex(({ requestId }) => requestId === reply.requestId) : 0;
    const asked = this.#waiting[at];
    const isDoubtful = reply.kind === REPLY.DOUBTFUL_HEAD || reply.isDoubtful === true;
    const isHead = reply.kind === REPLY.HEAD || reply.kind === REPLY.DOUBTFUL_HEAD;
    const isAnswer = reply.kind === REPLY.ANSWER || isHead;
    if (!isAnswer || asked?.requestId !== reply.requestId || reply.code >= ANSWER_CODES.length) {
      throw new Error(`an answer of kind ${reply.kind} and code ${reply.code} to request ${reply.requestId}`);
    }
    this.#waiting.splice(at, 1);
    const status = code === undefined ? 200 : ERRORS[code].status;
    const { headerLength, computeUs, decodeUs, encodeUs, batchSize, isExplained } = reply;
    const body = isHead ? this.#streams.begin(reply, asked.timeoutMs) : reply.body;
    const isBeforeRun = reply.code === REFUSED_BEFORE_RUN;
    asked.resolve({
      status,
      code,
      headerLength,
      body,
      computeUs,
      decodeUs,
      encodeUs,
      batchSize,
      ...(isBeforeRun && { isBeforeRun }),
      ...(isDoubtful && { isDoubtful }),
      ...(isExplained === true && { isExplained }),
      ...(asked.kept !== undefined && { kept: asked.kept }),
    });
  }
}
