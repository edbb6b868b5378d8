import type { DesiredStream } from "../../shared/protocol/streams.ts";
import type { StreamTime } from "../core/streams/age.ts";
import type { DropReason, Ledger, Stage } from "../core/streams/ledger.ts";

/** One thing that a source has read. */
export interface StreamItem {
  /** The same id again is a duplicate; undefined: it never is one. */
  readonly id: string | undefined;
  /**
   * For sources whose ids are used again. false: new, whatever its id. true: a duplicate if its id was among the last 1,024 of its
   * stream. Left out: a duplicate if its id is known at all.
   */
  readonly isRepeat?: boolean;
  /** Items of one key reach the model one after another, in the order in which they were read. */
  readonly key: string;
  readonly bytes: Uint8Array;
  /** Its source says that the bytes are a JSON text. */
  readonly isJson: boolean;
}

/** What the store holds of an item, or of its result. */
export interface StoredItem {
  /** Rises in the order of reading, within the node. */
  readonly position: number;
  readonly id: string | undefined;
  readonly key: string;
  readonly isJson: boolean;
  /** By the calendar, ms since 1970. */
  readonly acceptedAt: number;
  /** Of the item, or of its result once there is one. */
  readonly bytes: Uint8Array;
}

export type Acceptance =
  | { readonly kind: "accepted"; readonly position: number }
  | { readonly kind: "duplicate" }
  /** It is counted, and its source need not keep it. */
  | { readonly kind: "dropped"; readonly reason: DropReason }
  /** Not counted: as much waits as may, and the source has to offer it again. */
  | { readonly kind: "full" };

/** What became of a stored item. One that is gone meanwhile is passed over. */
export interface Settlement {
  readonly position: number;
  readonly outcome:
    | { readonly kind: "inferred"; readonly result: Uint8Array }
    | { readonly kind: "delivered" }
    | { readonly kind: "dropped"; readonly reason: DropReason };
}

export interface StreamBounds {
  readonly maxBytes: number;
  readonly whenFull: "drop-oldest" | "refuse";
}

/** What is taken of a stage. */
export interface TakeBounds {
  readonly items: number;
  readonly bytes: number;
  readonly now: StreamTime;
  /** What is this old expires first. */
  readonly expiryMs: number;
  /** Positions that are passed over. */
  readonly skip?: readonly number[];
}

/** A stream with what was last declared of it. */
export interface KnownStream {
  readonly stream: StreamName;
  readonly spec: DesiredStream;
}

/** A stream by its deployment and its name there. */
export interface StreamName {
  readonly deployment: string;
  readonly name: string;
}

/**
 * The items, results and ledgers of all streams of the node, on its disk. What a promise resolves with is durable. Each call
 * is one transaction: after a crash at any moment either all of it has happened or nothing. Rejects with STORAGE_FULL when
 * the disk takes no more.
 */
export interface StreamStore {
  /** Why it takes and gives nothing, for a person; undefined: it is open. */
  readonly why: string | undefined;
  /** Streams that the disk knows, each with its last declaration, and when it was last written. May be called again after it rejected or failed. */
  open(): Promise<{ readonly streams: readonly KnownStream[]; readonly mark: StreamTime | undefined }>;
  /** Of one that is not known: an empty one is made. Rejects when its counts on the disk cannot be read. */
  declare(stream: StreamName, spec: DesiredStream): Promise<void>;
  /** In their order; after the first that is `full`, all others are. */
  accept(
    stream: StreamName,
    items: readonly StreamItem[],
    bounds: StreamBounds & { readonly now: StreamTime },
  ): Promise<readonly Acceptance[]>;
  /** Counts what was read and cannot be stored. */
  reject(stream: StreamName, reason: DropReason): Promise<void>;
  /** The oldest of a stage, at most so many and so many bytes but at least one. */
  take(stream: StreamName, stage: Stage, bounds: TakeBounds): Promise<readonly StoredItem[]>;
  settle(stream: StreamName, settlements: readonly Settlement[]): Promise<void>;
  /** Drops all that the model has not seen. */
  abandon(stream: StreamName): Promise<void>;
  /** Removes a stream and its ledger. */
  forget(stream: StreamName): Promise<void>;
  /** As of the last call about it. */
  ledger(stream: StreamName): Ledger;
  close(): Promise<void>;
}

/** What a source calls. */
export interface SourceHandler {
  /**
   * Resolves when the items are durable or counted; after the first that is `full`, all others are. Rejects when the disk takes
   * none of them: offer them again.
   */
  accept(items: readonly StreamItem[]): Promise<readonly Acceptance[]>;
  /** Something was read that is too large to be held in memory. Resolves when it is counted. */
  tooLarge(): Promise<void>;
  /** Why nothing can be read now, for a person; undefined: it can again. */
  trouble(why: string | undefined): void;
}

export interface OpenSource {
  /** Reads nothing more. Resolves when no call of the handler is under way. */
  close(): Promise<void>;
}

/** `pushed`: its items come through the node's own API. */
export type SourceOffer =
  | { readonly kind: "pushed" }
  | { readonly kind: "read"; open(stream: StreamName, handler: SourceHandler): OpenSource };

/** What a sink gets: JSON, and an id that is the same whenever the result is sent again. */
export interface StreamResult {
  readonly position: number;
  /** Of its item, by the calendar, ms since 1970. */
  readonly acceptedAt: number;
  readonly idempotencyKey: string;
  readonly key: string;
  readonly body: Uint8Array;
}

export type Delivery =
  | { readonly kind: "delivered" }
  /** Sending it again would not help. */
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "later"; readonly why: string; readonly retryAfterMs?: number | undefined };

export interface StreamSink {
  /** Most results of one `deliver`. */
  readonly batchItems: number;
  /** How long results gather for the next `deliver` when the last one was not full. */
  readonly gatherMs: number;
  /** A result that cannot be delivered keeps back those behind it. Where not, it is set aside and tried again. */
  readonly keepsOrder: boolean;
  /** One delivery for each result, in their order; fewer when the rest was not tried. Ends early when `signal` is aborted; never rejects. */
  deliver(results: readonly StreamResult[], signal: AbortSignal): Promise<readonly Delivery[]>;
  close(): Promise<void>;
}

export interface SinkOffer {
  open(stream: StreamName): StreamSink;
}

/** The sources and sinks that this device offers, by the names that declarations use. */
export interface StreamEndpoints {
  source(name: string): SourceOffer | undefined;
  sink(name: string): SinkOffer | undefined;
}

/** A stream as the node shows it. */
export interface StreamStatus extends StreamName {
  readonly source: string;
  readonly sink: string;
  /**
   * running  reads, infers and delivers
   * waiting  something is missing, which `reasons` name; what arrived waits on the disk
   * ending   it is declared no more, and its results are still being delivered
   */
  readonly state: "running" | "waiting" | "ending";
  readonly reasons: readonly string[];
  readonly ledger: Ledger;
}

/** The streams as the node's own API asks them. */
export interface LocalStreams {
  statuses(): readonly StreamStatus[];
  /** Throws NOT_FOUND when there is no such stream here or its items come from elsewhere, QUEUE_FULL, STORAGE_FULL. */
  push(stream: StreamName, item: StreamItem): Promise<Exclude<Acceptance, { kind: "full" }>>;
}
