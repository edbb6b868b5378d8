import { type Clock, sleep } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Cancellation } from "../../../shared/flow/cancellation.ts";
import {
  decodeStreams,
  encodeStreams,
  HAND_OVER_MS,
  type StreamOfRequest,
  type StreamOperation,
} from "../../../shared/protocol/kept-streams.ts";
import { KeptStreams } from "../../core/kept-streams.ts";
import type { StreamStateFile } from "../../ports/stream-states.ts";
import { Turns } from "./turns.ts";

/** What was kept so long before the end of the program may be lost with it. */
const WRITE_AFTER_MS = 2_000;
/** A disk that failed is tried again after this. */
const RETRY_MS = 10_000;
const LOOK_MS = 20;
/** Evictions are said once in so long. */
const SAY_AGAIN_MS = 60_000;

interface Parts {
  /** Undefined: nothing survives the program. */
  readonly file?: StreamStateFile | undefined;
  readonly clock: Clock;
  /** Left out: nothing is said. */
  readonly logger?: Logger | undefined;
}

/** A request of a stream. */
interface StreamRequest {
  readonly placementId: string;
  readonly stream: StreamOfRequest;
  readonly edgeOnly: boolean;
  readonly deadlineMs: number;
  readonly cancellation: Cancellation;
}

/** Nothing of a stream that begins. */
const BEGINNING = new Uint8Array(0);

/**
 * What pipelines keep of streams, outside of the process that runs them: a model host is given what is kept with each request, and says
 * with its answer what is kept from then on. So an answer that did not come has changed nothing, and a host that ends takes nothing with
 * it. Requests of one stream run one after another.
 *
 *   confirmed    no other node has gone on with the stream: it is used as it is
 *   unconfirmed  the node was away, so another one may have: the control plane is asked first. It brings what the other one keeps, or says
 *                that there is none (`alone`)
 */
export class StreamStates {
  readonly #parts: Parts;
  readonly #kept = new KeptStreams();
  readonly #turns: Turns;
  /** Placements whose pipelines keep something, and their versions. */
  readonly #versions = new Map<string, string>();
  /** Placements that end, and what to call when their streams are elsewhere. */
  readonly #ending = new Map<string, () => void>();
  #cancelWrite: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #saidAt = -Infinity;
  #saidEvicted = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#turns = new Turns(parts.clock);
  }

  /** Takes up what was written. Never rejects: without it streams begin anew. */
  async restore(): Promise<void> {
    const { file, logger } = this.#parts;
    try {
      for (const stream of (await file?.read()) ?? []) this.#kept.set(stream, { isConfirmed: false });
    } catch (error) {
      logger?.error({ error: messageOf(error) }, "what is kept of streams could not be read: they begin anew");
    }
  }

  /** Streams kept now, their bytes, and how many had to leave for others since the start. */
  figures(): { readonly streams: number; readonly bytes: number; readonly evicted: number } {
    const { size, bytes, evicted } = this.#kept;
    return { streams: size, bytes, evicted };
  }

  /** Requests of streams go to the placement, whose pipeline keeps something. What another version kept of them is dropped. */
  serves(placementId: string, of: string): void {
    this.#versions.set(placementId, of);
    for (const stream of this.#kept.of(placementId)) if (stream.of !== of) this.#drop(placementId, stream.key);
  }

  isKept(placementId: string): boolean {
    return this.#versions.has(placementId);
  }

  /** Requests that wait for the one before them. */
  waitingFor({ placementId, stream }: Pick<StreamRequest, "placementId" | "stream">): number {
    return this.#turns.waitingFor(idOf(placementId, stream.key));
  }

  /**
   * Calls `run` with what is kept when all requests of the stream before this one have ended, and keeps what it returns. `missing`: the
   * stream may be known elsewhere. `late`: its turn did not come in time, or its caller went away.
   */
  async inTurn<Answer extends { readonly kept?: Uint8Array | undefined }>(
    { placementId, stream, edgeOnly, deadlineMs, cancellation }: StreamRequest,
    run: (kept: Uint8Array, leftMs: number) => Promise<Answer>,
  ): Promise<Answer | "late" | "missing"> {
    const { clock } = this.#parts;
    const { key, alone = false } = stream;
    const arrivedAt = clock.now();
    const leave = await this.#turns.take(idOf(placementId, key), { withinMs: deadlineMs, cancellation });
    const leftMs = deadlineMs - (clock.now() - arrivedAt);
    if (leave === undefined) return "late";
    try {
      if (leftMs <= 0) return "late";
      const known = this.#kept.get(placementId, key);
      if (!alone && known?.isConfirmed !== true) return "missing";
      const answer = await run(known?.bytes ?? BEGINNING, leftMs);
      const of = this.#versions.get(placementId);
      if (answer.kept !== undefined && of !== undefined) {
        const isForEdge = edgeOnly || known?.edgeOnly === true;
        const stream = { placementId, of, key, edgeOnly: isForEdge, bytes: answer.kept };
        this.#kept.set(stream, { isConfirmed: true });
        this.#changed();
      }
      return answer;
    } finally {
      leave();
    }
  }

  /** The control plane reaches the node again, and may have sent requests of its streams to others meanwhile. */
  unconfirm(): void {
    this.#kept.unconfirm();
  }

  /** How many streams a placement keeps. */
  keptBy(placementId: string): number {
    return this.#kept.of(placementId).length;
  }

  /**
   * The placement takes no more requests, and its host ends with `ended`. Resolves when the control plane has taken its streams, or says
   * that nobody does; at the latest 5 s after the host's end, and then tells how many stayed here.
   */
  async handOver(placementId: string, ended: Promise<void>): Promise<number> {
    const { clock } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#ending.set(placementId, () => resolve(true));
    await ended;
    if (this.keptBy(placementId) === 0) resolve(true);
    const cancelTimer = clock.after(HAND_OVER_MS, () => resolve(false));
    const isAnswered = await promise;
    cancelTimer();
    this.#ending.delete(placementId);
    return isAnswered ? 0 : this.keptBy(placementId);
  }

  /** The placement is gone for good. */
  forget(placementId: string): void {
    this.#versions.delete(placementId);
    for (const { key } of this.#kept.of(placementId)) this.#drop(placementId, key);
  }

  /** What the control plane asks about streams. Undefined: that is no bundle, or its turn did not come in time. */
  async operate(
    { placementId, deadlineMs }: Pick<StreamRequest, "placementId" | "deadlineMs">,
    { op, key = "", forCloud }: StreamOperation,
    body: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    switch (op) {
      case "take":
        return this.#take(placementId, { key, forCloud: forCloud === true, withinMs: deadlineMs });
      case "all":
        return (await this.#isQuiet(placementId, deadlineMs)) ? encodeStreams(this.#kept.of(placementId)) : undefined;
      case "put":
        return this.#put(placementId, body);
      case "release":
        for (const stream of this.#kept.of(placementId)) this.#drop(placementId, stream.key);
        this.#ending.get(placementId)?.();
        return BEGINNING;
      case "keep":
        this.#ending.get(placementId)?.();
        return BEGINNING;
    }
  }

  async #take(
    placementId: string,
    { key, forCloud, withinMs }: { readonly key: string; readonly forCloud: boolean; readonly withinMs: number },
  ): Promise<Uint8Array | undefined> {
    const leave = await this.#turns.take(idOf(placementId, key), { withinMs });
    if (leave === undefined) return undefined;
    const known = this.#kept.get(placementId, key);
    if (forCloud && known?.edgeOnly === true) {
      leave();
      return BEGINNING;
    }
    // One that ends gets no more requests: all of it may be taken once more.
    if (!this.#ending.has(placementId)) this.#drop(placementId, key);
    leave();
    return encodeStreams(known === undefined ? [] : [known]);
  }

  #put(placementId: string, body: Uint8Array): Uint8Array | undefined {
    const own = this.#versions.get(placementId);
    const streams = decodeStreams(body);
    if (streams === undefined || own === undefined) return undefined;
    for (const stream of streams) {
      if (stream.of !== own || this.#kept.get(placementId, stream.key)?.isConfirmed === true) continue;
      this.#kept.set({ ...stream, placementId }, { isConfirmed: true });
    }
    this.#changed();
    return BEGINNING;
  }

  /** Whether no request of its streams is under way, or waits, before `withinMs` are over. */
  async #isQuiet(placementId: string, withinMs: number): Promise<boolean> {
    const { clock } = this.#parts;
    const until = clock.now() + withinMs;
    const isBusy = (): boolean => this.#turns.isAnyTaken(idOf(placementId, ""));
    while (isBusy() && clock.now() < until) await sleep(clock, LOOK_MS);
    return !isBusy();
  }

  #drop(placementId: string, key: string): void {
    if (this.#kept.delete(placementId, key)) this.#changed();
  }

  #changed(): void {
    const { clock, logger } = this.#parts;
    const { evicted } = this.#kept;
    if (evicted > this.#saidEvicted && clock.now() - this.#saidAt >= SAY_AGAIN_MS) {
      logger?.warn(
        { streams: evicted - this.#saidEvicted },
        "there is no room for so many streams: those that were not used for longest begin anew",
      );
      this.#saidAt = clock.now();
      this.#saidEvicted = evicted;
    }
    this.#writeAfter(WRITE_AFTER_MS);
  }

  #writeAfter(ms: number): void {
    if (this.#parts.file === undefined || this.#cancelWrite !== undefined) return;
    this.#cancelWrite = this.#parts.clock.after(ms, () => void this.#write());
  }

  /** One at a time. Never rejects. */
  #write(): Promise<void> {
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    const { file, logger } = this.#parts;
    this.#writing = this.#writing
      .then(() => file?.write(this.#kept.all()))
      .catch((error: unknown) => {
        logger?.error({ error: messageOf(error) }, "what is kept of streams could not be written");
        this.#writeAfter(RETRY_MS);
      });
    return this.#writing;
  }

  /** Writes what was not written yet, and ends. */
  async stop(): Promise<void> {
    if (this.#cancelWrite !== undefined) await this.#write();
    await this.#writing;
    this.#cancelWrite?.();
  }
}

const idOf = (placementId: string, key: string): string => `${placementId} ${key}`;
