import { Worker } from "node:worker_threads";
import { messageOf, SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { DesiredStream } from "../../../shared/protocol/streams.ts";
import type { StreamTime } from "../../core/streams/age.ts";
import { EMPTY_LEDGER, type Ledger, type DropReason, isExact, type Stage } from "../../core/streams/ledger.ts";
import { nameOf } from "../../core/streams/declared-streams.ts";
import type {
  Acceptance,
  KnownStream,
  Settlement,
  StoredItem,
  StreamBounds,
  StreamItem,
  StreamName,
  StreamStore,
  TakeBounds,
} from "../../ports/streams.ts";
import type { StoreCall, StoreReply, StoreRequest, StoreResult } from "./store-calls.ts";
import type { StreamRow } from "./stream-row.ts";

/** The store of streams in a SQLite database, which a thread of its own holds. */
export class ThreadStore implements StreamStore {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #logger: Logger;
  readonly #ledgers = new Map<string, Ledger>();
  readonly #pending = new Map<number, PromiseWithResolvers<StoreResult>>();
  #opened = Promise.withResolvers<Extract<StoreReply, { kind: "opened" }>>();
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  #fault: string | undefined = "the store of streams is not open";
  #n = 0;

  /** `path`: of the database's file. `maxBytes`: that may wait of all streams together. Nothing is opened before `open`. */
  constructor(path: string, { maxBytes, logger }: { readonly maxBytes: number; readonly logger: Logger }) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#logger = logger;
  }

  get why(): string | undefined {
    return this.#fault;
  }

  async open(): Promise<{ readonly streams: readonly KnownStream[]; readonly mark: StreamTime | undefined }> {
    await this.#exited; // of a thread that failed
    const worker = new Worker(new URL("./store-thread.ts", import.meta.url), {
      workerData: { path: this.#path, maxBytes: this.#maxBytes },
    });
    this.#worker = worker;
    this.#fault = undefined;
    this.#opened = Promise.withResolvers();
    worker.on("message", (reply: StoreReply) => this.#onReply(reply));
    worker.on("error", (error) => this.#fail(`the store of streams failed: ${messageOf(error)}`));
    this.#exited = new Promise((resolve) =>
      worker.once("exit", () => {
        this.#fail("the store of streams is closed");
        resolve();
      }),
    );
    const { streams, mark, aside } = await this.#opened.promise;
    if (aside !== undefined)
      this.#logger.error(
        { aside },
        "the database of streams is damaged and set aside: what waited in it is not delivered",
      );
    return { streams: streams.flatMap((row) => this.#known(row)), mark };
  }

  async declare(stream: StreamName, spec: DesiredStream): Promise<void> {
    await this.#ask({ kind: "declare", stream: nameOf(stream), spec });
  }

  async accept(
    stream: StreamName,
    items: readonly StreamItem[],
    bounds: StreamBounds & { readonly now: StreamTime },
  ): Promise<readonly Acceptance[]> {
    const { acceptances = [] } = await this.#ask({ kind: "accept", stream: nameOf(stream), items, bounds });
    if (acceptances.length !== items.length) throw new Error("the store did not say whether it accepts");
    return acceptances;
  }

  async reject(stream: StreamName, reason: DropReason): Promise<void> {
    await this.#ask({ kind: "reject", stream: nameOf(stream), reason });
  }

  async take(stream: StreamName, stage: Stage, bounds: TakeBounds): Promise<readonly StoredItem[]> {
    return (await this.#ask({ kind: "take", stream: nameOf(stream), stage, bounds })).items ?? [];
  }

  async settle(stream: StreamName, settlements: readonly Settlement[]): Promise<void> {
    await this.#ask({ kind: "settle", stream: nameOf(stream), settlements });
  }

  async abandon(stream: StreamName): Promise<void> {
    await this.#ask({ kind: "abandon", stream: nameOf(stream) });
  }

  async forget(stream: StreamName): Promise<void> {
    await this.#ask({ kind: "forget", stream: nameOf(stream) });
    this.#ledgers.delete(nameOf(stream));
  }

  ledger(stream: StreamName): Ledger {
    return this.#ledgers.get(nameOf(stream)) ?? EMPTY_LEDGER;
  }

  async close(): Promise<void> {
    this.#send("close");
    await this.#exited;
  }

  #known(row: StreamRow): readonly KnownStream[] {
    const { name } = row;
    if ("fault" in row) {
      this.#logger.error({ name, why: row.fault }, "a stream on the disk cannot be read; it stays there");
      return [];
    }
    const { spec, ledger } = row;
    if (!isExact(ledger)) this.#logger.error({ name, ledger }, "the ledger of a stream does not add up");
    this.#ledgers.set(name, ledger);
    const [deployment = "", own = ""] = name.split("/");
    return [{ stream: { deployment, name: own }, spec }];
  }

  #ask(call: StoreCall): Promise<StoreResult> {
    if (this.#fault !== undefined || this.#worker === undefined)
      return Promise.reject(new SkerryError("STARTING", this.#fault ?? "the store of streams is not open"));
    const n = this.#n++;
    const answered = Promise.withResolvers<StoreResult>();
    this.#pending.set(n, answered);
    this.#send({ n, call });
    return answered.promise.then((result) => {
      if (result.ledger !== undefined) this.#ledgers.set(call.stream, result.ledger);
      return result;
    });
  }

  #send(request: StoreRequest): void {
    this.#worker?.postMessage(request);
  }

  #onReply(reply: StoreReply): void {
    switch (reply.kind) {
      case "opened":
        return this.#opened.resolve(reply);
      case "unopened":
        return this.#fail(`the database of streams cannot be opened: ${reply.error}`);
      case "done":
        this.#pending.get(reply.n)?.resolve(reply.result);
        break;
      case "failed":
        this.#pending.get(reply.n)?.reject(storeError(reply));
        break;
    }
    this.#pending.delete(reply.n);
  }

  #fail(why: string): void {
    this.#fault ??= why;
    const error = new SkerryError("STARTING", this.#fault);
    this.#opened.reject(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

const storeError = ({ error, isFull }: Extract<StoreReply, { kind: "failed" }>): SkerryError =>
  isFull
    ? new SkerryError("STORAGE_FULL", `the disk of this node takes no more of its streams: ${error}`, {
        retryAfterMs: 5_000,
      })
    : new SkerryError("INTERNAL", `the store of streams failed: ${error}`);
