import { messageOf, SkerryError } from "../../../shared/base/errors.ts";
import { fullJitter } from "../../../shared/flow/backoff.ts";
import type { DesiredStream } from "../../../shared/protocol/streams.ts";
import { declaredStreams, isSameStream, nameOf } from "../../core/streams/declared-streams.ts";
import type { Acceptance, LocalStreams, StreamItem, StreamName, StreamStatus } from "../../ports/streams.ts";
import { StreamClock } from "./stream-clock.ts";
import { type RunnerParts, StreamRunner } from "./stream-runner.ts";

/** Declarations come with the placements; they are compared so often. */
const LOOK_MS = 1_000;
/** How long until a store that could not be opened, or a stream that could not be begun, is tried again. */
const RETRY = { baseMs: 2_000, maxMs: 60_000 };

/** A declared stream that could not be begun. */
interface Fault {
  readonly stream: StreamName;
  readonly spec: DesiredStream;
  readonly why: string;
  readonly attempts: number;
  readonly dueAt: number;
}

export interface StreamsParts extends Omit<RunnerParts, "time"> {
  /** Tells the operator, as an event of the node. */
  readonly report: (sentence: string) => void;
}

/**
 * The streams of this node: one runner for each that its placements declare. A stream that is declared no more delivers the
 * results that it has, and is forgotten when that is done. A store that cannot be opened keeps the streams waiting, and nothing
 * else: it is tried again, and so is each stream that could not be begun.
 */
export class Streams implements LocalStreams {
  readonly #parts: RunnerParts;
  readonly #report: (sentence: string) => void;
  readonly #runners = new Map<string, StreamRunner>();
  readonly #ending = new Map<string, StreamRunner>();
  readonly #faults = new Map<string, Fault>();
  #openAttempts = 0;
  #openDueAt = -Infinity;
  #cancel: () => void = () => undefined;
  #changing: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor({ report, ...parts }: StreamsParts) {
    this.#parts = { ...parts, time: new StreamClock(parts.clock) };
    this.#report = report;
  }

  /** Takes up what the disk knows, and follows the declarations from then on. Never rejects. */
  async start(): Promise<void> {
    this.#changing = this.#change();
    await this.#changing;
    this.#look();
  }

  /** Reads nothing more; what is under way ends. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#changing;
    await Promise.all([...this.#runners.values(), ...this.#ending.values()].map((each) => each.stop()));
    await this.#parts.store.close();
  }

  statuses(): readonly StreamStatus[] {
    const running = [...this.#runners.values(), ...this.#ending.values()].map((each) => each.status());
    const all = [...running, ...this.#notBegun()];
    return all.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  }

  async push(stream: StreamName, item: StreamItem): Promise<Exclude<Acceptance, { kind: "full" }>> {
    const runner = this.#runners.get(nameOf(stream));
    if (runner !== undefined) return runner.push(item);
    const waiting = this.#notBegun().find((each) => nameOf(each) === nameOf(stream));
    if (waiting !== undefined) throw new SkerryError("STARTING", waiting.reasons.join("; "), { retryAfterMs: 5_000 });
    throw new SkerryError(
      "NOT_FOUND",
      `this node runs no stream ${nameOf(stream).slice(0, 130)}; GET /streams lists them`,
    );
  }

  /** Declared streams that no runner has. */
  #notBegun(): readonly StreamStatus[] {
    const { store, node } = this.#parts;
    const missing = [...declaredStreams(node.placements())].filter(([key]) => !this.#runners.has(key));
    return missing.flatMap(([key, { stream, spec }]) => {
      const why = this.#faults.get(key)?.why ?? store.why;
      // It is begun at the next look.
      if (why === undefined) return [];
      const { source, sink } = spec;
      return [{ ...stream, source, sink, state: "waiting" as const, reasons: [why], ledger: store.ledger(stream) }];
    });
  }

  #look(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(LOOK_MS, () => {
      this.#changing = this.#change().then(() => this.#look());
    });
  }

  /** Starts what is declared, ends what is not. Never rejects: what failed is tried at a later look. */
  async #change(): Promise<void> {
    const { node, store, logger } = this.#parts;
    if (store.why !== undefined && !(await this.#open())) return;
    const declared = declaredStreams(node.placements());
    for (const key of this.#faults.keys()) if (!declared.has(key)) this.#faults.delete(key);
    for (const [key, { stream, spec }] of declared) await this.#declare(key, stream, spec);
    try {
      for (const [key, runner] of this.#runners) {
        if (declared.has(key)) continue;
        this.#runners.delete(key);
        this.#ending.set(key, runner);
        await runner.end();
      }
      for (const [key, runner] of this.#ending) if (await runner.isOver()) await this.#forget(key, runner);
    } catch (error) {
      logger.error({ error: messageOf(error) }, "the streams could not be changed; they are tried again");
    }
  }

  /** False: it cannot be opened, or is not due to be tried again. */
  async #open(): Promise<boolean> {
    const { store, time, clock, random, node, logger } = this.#parts;
    if (clock.now() < this.#openDueAt) return false;
    try {
      const { streams, mark } = await store.open();
      // What runs goes on with the time that it has: the store was lost in between, not the node.
      if (this.#runners.size === 0 && this.#ending.size === 0) time.resume(mark);
      const declared = declaredStreams(node.placements());
      for (const { stream, spec } of streams) this.#resume(stream, spec, declared.has(nameOf(stream)));
      if (this.#openAttempts > 0) this.#report("the streams of this node have their store again");
      this.#openAttempts = 0;
      return true;
    } catch (error) {
      const why = messageOf(error);
      if (this.#openAttempts === 0) this.#report(`the streams of this node wait: ${why}`);
      logger.error({ error: why }, "the streams wait for their store, which is tried again; models serve meanwhile");
      this.#openDueAt = clock.now() + 1_000 + fullJitter(RETRY, this.#openAttempts, random);
      this.#openAttempts += 1;
      return false;
    }
  }

  /** What the disk knows and nobody declares works off what it has. */
  #resume(stream: StreamName, spec: DesiredStream, isDeclared: boolean): void {
    const key = nameOf(stream);
    if (isDeclared || this.#runners.has(key) || this.#ending.has(key)) return;
    const runner = new StreamRunner(stream, spec, this.#parts);
    this.#ending.set(key, runner);
    runner.startEnding();
  }

  async #declare(key: string, stream: StreamName, spec: DesiredStream): Promise<void> {
    const running = this.#runners.get(key);
    if (running !== undefined && isSameStream(running.spec, spec)) return;
    const { clock, random, store } = this.#parts;
    const before = this.#faults.get(key);
    if (before !== undefined && clock.now() < before.dueAt && isSameStream(before.spec, spec)) return;
    this.#runners.delete(key);
    await running?.stop();
    await this.#ending.get(key)?.stop();
    this.#ending.delete(key);
    try {
      await store.declare(stream, spec);
    } catch (error) {
      const why = messageOf(error);
      const attempts = (before?.attempts ?? -1) + 1;
      if (before?.why !== why) this.#report(`the stream ${key} cannot be begun: ${why}`);
      const dueAt = clock.now() + 1_000 + fullJitter(RETRY, attempts, random);
      this.#faults.set(key, { stream, spec, why, attempts, dueAt });
      return;
    }
    this.#faults.delete(key);
    const runner = new StreamRunner(stream, spec, this.#parts);
    this.#runners.set(key, runner);
    runner.start();
  }

  async #forget(key: string, runner: StreamRunner): Promise<void> {
    const { store, logger } = this.#parts;
    await runner.stop();
    this.#ending.delete(key);
    logger.info({ stream: key, ledger: store.ledger(runner.stream) }, "a stream has ended, and its counts with it");
    await store.forget(runner.stream);
  }
}
