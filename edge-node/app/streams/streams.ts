import { messageOf, SkerryError } from "../../../shared/base/errors.ts";
import type { DesiredStream } from "../../../shared/protocol/streams.ts";
import { declaredStreams, isSameStream, nameOf } from "../../core/streams/declared-streams.ts";
import type { Acceptance, LocalStreams, StreamItem, StreamName, StreamStatus } from "../../ports/streams.ts";
import { type RunnerParts, StreamRunner } from "./stream-runner.ts";

/** Declarations come with the placements; they are compared so often. */
const LOOK_MS = 1_000;

/**
 * The streams of this node: one runner for each that its placements declare. A stream that is declared no more delivers the
 * results that it has, and is forgotten when that is done.
 */
export class Streams implements LocalStreams {
  readonly #parts: RunnerParts;
  readonly #runners = new Map<string, StreamRunner>();
  readonly #ending = new Map<string, StreamRunner>();
  #cancel: () => void = () => undefined;
  #changing: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Takes up what the disk knows, and follows the declarations from then on. Rejects when the store cannot be opened. */
  async start(): Promise<void> {
    const known = await this.#parts.store.open();
    const declared = declaredStreams(this.#parts.node.placements());
    for (const { stream, spec } of known) {
      if (declared.has(nameOf(stream))) continue;
      const runner = new StreamRunner(stream, spec, this.#parts);
      this.#ending.set(nameOf(stream), runner);
      runner.startEnding();
    }
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
    const all = [...this.#runners.values(), ...this.#ending.values()].map((each) => each.status());
    return all.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  }

  push(stream: StreamName, item: StreamItem): Promise<Exclude<Acceptance, { kind: "full" }>> {
    const runner = this.#runners.get(nameOf(stream));
    if (runner === undefined)
      throw new SkerryError(
        "NOT_FOUND",
        `this node runs no stream ${nameOf(stream).slice(0, 130)}; GET /streams lists them`,
      );
    return runner.push(item);
  }

  #look(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(LOOK_MS, () => {
      this.#changing = this.#change().then(() => this.#look());
    });
  }

  /** Starts what is declared, ends what is not. Never rejects: what failed is tried at the next look. */
  async #change(): Promise<void> {
    const { node, logger } = this.#parts;
    const declared = declaredStreams(node.placements());
    try {
      for (const [key, { stream, spec }] of declared) await this.#declare(key, stream, spec);
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

  async #declare(key: string, stream: StreamName, spec: DesiredStream): Promise<void> {
    const running = this.#runners.get(key);
    if (running !== undefined && isSameStream(running.spec, spec)) return;
    this.#runners.delete(key);
    await running?.stop();
    await this.#ending.get(key)?.stop();
    this.#ending.delete(key);
    await this.#parts.store.declare(stream, spec);
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
