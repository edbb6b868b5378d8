import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { messageOf } from "../../../shared/base/errors.ts";
import { desiredStream, type DesiredStream } from "../../../shared/protocol/streams.ts";
import { EMPTY_LEDGER, type Ledger, type LedgerEvent, record } from "../../core/streams/ledger.ts";
import { text } from "./columns.ts";
import type { StreamRow } from "./stream-row.ts";

const count = z.number().int();
/** Loose: what a newer version counted is kept over a downgrade. */
const ledgerSchema = z.looseObject({
  produced: count,
  delivered: count,
  deduplicated: count,
  expired: count,
  dropped: z.record(z.string(), count).transform((dropped) => ({ ...EMPTY_LEDGER.dropped, ...dropped })),
  waiting: z.object({ item: count, result: count }),
  waitingBytes: count,
});

/**
 * The rows of streams, one with declaration and ledger for each. Ledgers are read once and written once for each transaction:
 * a batch of a thousand results would otherwise read and write its row as often.
 */
export class LedgerRows {
  readonly #database: DatabaseSync;
  readonly #ledgers = new Map<string, Ledger>();
  readonly #changed = new Set<string>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** All, also those that cannot be read. */
  all(): readonly StreamRow[] {
    return this.#database
      .prepare("SELECT name, spec FROM stream")
      .all()
      .map((row) => {
        const name = text(row, "name");
        try {
          return { name, spec: desiredStream.parse(JSON.parse(text(row, "spec"))), ledger: this.of(name) };
        } catch (error) {
          return { name, fault: messageOf(error) };
        }
      });
  }

  declare(name: string, spec: DesiredStream): void {
    this.#database
      .prepare("INSERT INTO stream VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET spec = excluded.spec")
      .run(name, JSON.stringify(spec), JSON.stringify(EMPTY_LEDGER));
  }

  /** Throws when there is none, or when it cannot be read. */
  of(name: string): Ledger {
    const known = this.#ledgers.get(name);
    if (known !== undefined) return known;
    const row = this.#database.prepare("SELECT ledger FROM stream WHERE name = ?").get(name);
    if (row === undefined) throw new Error(`the store knows no stream ${name}`);
    const parsed = ledgerSchema.safeParse(json(text(row, "ledger")));
    if (!parsed.success)
      throw new Error(
        `the counts of ${name} on the disk cannot be read: ${z.prettifyError(parsed.error).replaceAll(/\s+/g, " ")}`,
      );
    this.#ledgers.set(name, parsed.data);
    return parsed.data;
  }

  record(name: string, event: LedgerEvent): void {
    this.#ledgers.set(name, record(this.of(name), event));
    this.#changed.add(name);
  }

  /** Bytes that wait of all streams but this one. A ledger that cannot be read counts for nothing. */
  bytesBeside(name: string): number {
    const others = this.all().filter((row) => row.name !== name);
    return others.reduce((sum, row) => sum + ("ledger" in row ? row.ledger.waitingBytes : 0), 0);
  }

  forget(name: string): void {
    this.#ledgers.delete(name);
    this.#changed.delete(name);
    this.#database.prepare("DELETE FROM stream WHERE name = ?").run(name);
  }

  /** Before the transaction ends. */
  write(): void {
    const update = this.#database.prepare("UPDATE stream SET ledger = ? WHERE name = ?");
    for (const name of this.#changed) update.run(JSON.stringify(this.of(name)), name);
    this.#changed.clear();
  }

  /** The transaction was undone: what the disk has counts again. */
  undo(): void {
    this.#ledgers.clear();
    this.#changed.clear();
  }
}

function json(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    return undefined;
  }
}
