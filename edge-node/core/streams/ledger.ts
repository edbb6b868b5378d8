/**
 * Why an item ended without being delivered, other than by age.
 *
 * full          so much waited that the oldest had to go
 * too-large     the item, or its result, is larger than a stream takes
 * refused       the model does not take this input
 * failed        the model failed on it, also when it was tried again
 * sink-refused  the receiver of the results refused this one for good
 * damaged       its bytes on the disk are not those that were written
 * undeclared    the stream was removed before the model had seen it
 */
export const DROP_REASONS = [
  "full",
  "too-large",
  "refused",
  "failed",
  "sink-refused",
  "damaged",
  "undeclared",
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** `item`: waits for the model. `result`: waits for the sink; the item itself is deleted by then. */
export type Stage = "item" | "result";

/**
 * What became of everything that a stream has read. At every moment
 * produced = delivered + deduplicated + expired + dropped + waiting.
 */
export interface Ledger {
  readonly produced: number;
  readonly delivered: number;
  /** Read again under an id that was read before. */
  readonly deduplicated: number;
  readonly expired: number;
  /** Another version of Skerry may have counted reasons that this one does not know: they stay and are summed. */
  readonly dropped: Readonly<Record<DropReason, number>> & Readonly<Record<string, number>>;
  readonly waiting: Readonly<Record<Stage, number>>;
  readonly waitingBytes: number;
}

export type LedgerEvent =
  | { readonly kind: "accepted"; readonly bytes: number }
  | { readonly kind: "duplicate" }
  /** Read, and dropped before it was stored. */
  | { readonly kind: "rejected"; readonly reason: DropReason }
  | { readonly kind: "inferred"; readonly bytes: number; readonly resultBytes: number }
  | { readonly kind: "delivered"; readonly bytes: number }
  | { readonly kind: "expired"; readonly stage: Stage; readonly bytes: number }
  | { readonly kind: "dropped"; readonly stage: Stage; readonly bytes: number; readonly reason: DropReason };

export const EMPTY_LEDGER: Ledger = {
  produced: 0,
  delivered: 0,
  deduplicated: 0,
  expired: 0,
  dropped: { full: 0, "too-large": 0, refused: 0, failed: 0, "sink-refused": 0, damaged: 0, undeclared: 0 },
  waiting: { item: 0, result: 0 },
  waitingBytes: 0,
};

/** The ledger after one event. It is stored in the transaction that stores what the event did, so neither is without the other. */
export function record(ledger: Ledger, event: LedgerEvent): Ledger {
  switch (event.kind) {
    case "accepted":
      return { ...waits(ledger, "item", event.bytes), produced: ledger.produced + 1 };
    case "duplicate":
      return { ...ledger, produced: ledger.produced + 1, deduplicated: ledger.deduplicated + 1 };
    case "rejected":
      return drops({ ...ledger, produced: ledger.produced + 1 }, event.reason);
    case "inferred":
      return waits(leaves(ledger, "item", event.bytes), "result", event.resultBytes);
    case "delivered":
      return { ...leaves(ledger, "result", event.bytes), delivered: ledger.delivered + 1 };
    case "expired":
      return { ...leaves(ledger, event.stage, event.bytes), expired: ledger.expired + 1 };
    case "dropped":
      return drops(leaves(ledger, event.stage, event.bytes), event.reason);
  }
}

export const droppedOf = ({ dropped }: Ledger): number => Object.values(dropped).reduce((sum, count) => sum + count, 0);

export const waitingOf = ({ waiting }: Ledger): number => waiting.item + waiting.result;

/** Whether every item that was read is accounted for exactly once. */
export const isExact = (ledger: Ledger): boolean =>
  ledger.produced === ledger.delivered + ledger.deduplicated + ledger.expired + droppedOf(ledger) + waitingOf(ledger);

const waits = (ledger: Ledger, stage: Stage, bytes: number): Ledger => ({
  ...ledger,
  waiting: { ...ledger.waiting, [stage]: ledger.waiting[stage] + 1 },
  waitingBytes: ledger.waitingBytes + bytes,
});

const leaves = (ledger: Ledger, stage: Stage, bytes: number): Ledger => ({
  ...ledger,
  waiting: { ...ledger.waiting, [stage]: ledger.waiting[stage] - 1 },
  waitingBytes: ledger.waitingBytes - bytes,
});

const drops = (ledger: Ledger, reason: DropReason): Ledger => ({
  ...ledger,
  dropped: { ...ledger.dropped, [reason]: ledger.dropped[reason] + 1 },
});
