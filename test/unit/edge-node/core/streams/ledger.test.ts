import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  DROP_REASONS,
  EMPTY_LEDGER,
  isExact,
  type Ledger,
  type LedgerEvent,
  record,
  type Stage,
  waitingOf,
} from "../../../../../edge-node/core/streams/ledger.ts";

/** What a transaction of the store changes: the items that wait and the ledger, both or neither. */
interface Disk {
  readonly ledger: Ledger;
  readonly items: ReadonlyMap<number, { readonly stage: Stage; readonly bytes: number }>;
  readonly seen: ReadonlySet<number>;
}

const command = fc.oneof(
  fc.record({ kind: fc.constant("read"), id: fc.nat(12), bytes: fc.nat(1_000) }),
  fc.record({ kind: fc.constantFrom("infer", "deliver", "expire"), id: fc.nat(12), bytes: fc.nat(1_000) }),
  fc.record({ kind: fc.constant("drop"), id: fc.nat(12), reason: fc.constantFrom(...DROP_REASONS) }),
  fc.record({ kind: fc.constant("reject"), reason: fc.constantFrom(...DROP_REASONS) }),
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

/** One transaction, as the store makes it: what is not there any more is passed over. */
function transaction(disk: Disk, done: Command): Disk {
  const change = (event: LedgerEvent, items = disk.items, seen = disk.seen): Disk => ({
    ledger: record(disk.ledger, event),
    items,
    seen,
  });
  const without = (id: number) => new Map([...disk.items].filter(([each]) => each !== id));
  if (!("id" in done)) return change({ kind: "rejected", reason: done.reason });
  const { id } = done;
  const item = disk.items.get(id);
  if ("reason" in done)
    return item === undefined ? disk : change({ kind: "dropped", ...item, reason: done.reason }, without(id));
  const { kind, bytes } = done;
  if (kind === "read")
    return disk.seen.has(id)
      ? change({ kind: "duplicate" })
      : change(
          { kind: "accepted", bytes },
          new Map([...disk.items, [id, { stage: "item", bytes }]]),
          new Set([...disk.seen, id]),
        );
  if (item === undefined) return disk;
  if (kind === "expire") return change({ kind: "expired", ...item }, without(id));
  if (kind === "infer")
    return item.stage === "result"
      ? disk
      : change(
          { kind: "inferred", bytes: item.bytes, resultBytes: bytes },
          new Map([...disk.items, [id, { stage: "result", bytes }]]),
        );
  return item.stage === "item" ? disk : change({ kind: "delivered", bytes: item.bytes }, without(id));
}

describe("the ledger of a stream", () => {
  it("adds up under any interleaving of duplicates, expiry, drops and crashes before or after a commit", () => {
    const steps = fc.array(fc.record({ done: command, isCommitted: fc.boolean() }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (all) => {
        let disk: Disk = { ledger: EMPTY_LEDGER, items: new Map(), seen: new Set() };
        for (const { done, isCommitted } of all) {
          const after = transaction(disk, done);
          if (isCommitted) disk = after; // else the process was killed before the commit
          const waiting = [...disk.items.values()];
          expect(isExact(disk.ledger)).toBe(true);
          expect(waitingOf(disk.ledger)).toBe(waiting.length);
          expect(disk.ledger.waiting.item).toBe(waiting.filter(({ stage }) => stage === "item").length);
          expect(disk.ledger.waitingBytes).toBe(waiting.reduce((sum, { bytes }) => sum + bytes, 0));
        }
      }),
    );
  });

  it("counts an item in one outcome", () => {
    const events: readonly LedgerEvent[] = [
      { kind: "accepted", bytes: 10 },
      { kind: "accepted", bytes: 20 },
      { kind: "duplicate" },
      { kind: "rejected", reason: "too-large" },
      { kind: "inferred", bytes: 10, resultBytes: 5 },
      { kind: "delivered", bytes: 5 },
    ];
    expect(events.reduce(record, EMPTY_LEDGER)).toMatchObject({
      produced: 4,
      delivered: 1,
      deduplicated: 1,
      expired: 0,
      dropped: { "too-large": 1, full: 0 },
      waiting: { item: 1, result: 0 },
      waitingBytes: 20,
    });
  });

  it("notices a sum that does not add up", () => {
    expect(isExact({ ...EMPTY_LEDGER, produced: 1 })).toBe(false);
  });
});
