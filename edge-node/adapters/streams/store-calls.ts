import type { DesiredStream } from "../../../shared/protocol/streams.ts";
import type { DropReason, Ledger, Stage } from "../../core/streams/ledger.ts";
import type { StreamTime } from "../../core/streams/age.ts";
import type { Acceptance, Settlement, StoredItem, StreamBounds, StreamItem, TakeBounds } from "../../ports/streams.ts";
import type { StreamDatabase } from "./stream-database.ts";
import type { StreamRow } from "./stream-row.ts";

/** What the agent asks the thread that holds the database. Each carries the stream's name. */
export type StoreCall =
  | { readonly kind: "declare"; readonly stream: string; readonly spec: DesiredStream }
  | {
      readonly kind: "accept";
      readonly stream: string;
      readonly items: readonly StreamItem[];
      readonly bounds: StreamBounds & { readonly now: StreamTime };
    }
  | { readonly kind: "reject"; readonly stream: string; readonly reason: DropReason }
  | { readonly kind: "take"; readonly stream: string; readonly stage: Stage; readonly bounds: TakeBounds }
  | { readonly kind: "settle"; readonly stream: string; readonly settlements: readonly Settlement[] }
  | { readonly kind: "abandon" | "forget"; readonly stream: string };

export interface StoreResult {
  readonly acceptances?: readonly Acceptance[];
  readonly items?: readonly StoredItem[];
  /** Of the call's stream after it; absent when it is forgotten. */
  readonly ledger?: Ledger;
}

/** To the thread. */
export type StoreRequest = { readonly n: number; readonly call: StoreCall } | "close";

/** From the thread: first what the disk knows, then an answer for each call. */
export type StoreReply =
  | {
      readonly kind: "opened";
      readonly streams: readonly StreamRow[];
      readonly mark: StreamTime | undefined;
      readonly aside: string | undefined;
    }
  | { readonly kind: "unopened"; readonly error: string }
  | { readonly kind: "done"; readonly n: number; readonly result: StoreResult }
  | { readonly kind: "failed"; readonly n: number; readonly error: string; readonly isFull: boolean };

/** Within a transaction of the caller's. */
export function execute(database: StreamDatabase, call: StoreCall): StoreResult {
  const { stream } = call;
  switch (call.kind) {
    case "declare":
      database.declare(stream, call.spec);
      return { ledger: database.ledger(stream) };
    case "accept": {
      const acceptances = database.accept(stream, call.items, call.bounds);
      return { acceptances, ledger: database.ledger(stream) };
    }
    case "reject":
      database.reject(stream, call.reason);
      return { ledger: database.ledger(stream) };
    case "take": {
      const items = database.take(stream, call.stage, call.bounds);
      return { items, ledger: database.ledger(stream) };
    }
    case "settle":
      database.settle(stream, call.settlements);
      return { ledger: database.ledger(stream) };
    case "abandon":
      database.abandon(stream);
      return { ledger: database.ledger(stream) };
    case "forget":
      database.forget(stream);
      return {};
  }
}
