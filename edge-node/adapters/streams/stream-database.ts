import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { z } from "zod";
import { desiredStream, type DesiredStream } from "../../../shared/protocol/streams.ts";
import {
  DROP_REASONS,
  type DropReason,
  EMPTY_LEDGER,
  type Ledger,
  type LedgerEvent,
  record,
  type Stage,
} from "../../core/streams/ledger.ts";
import type { Acceptance, Settlement, StoredItem, StreamBounds, StreamItem } from "../../ports/streams.ts";

/** What a row costs beside its bytes, so that a bound on bytes bounds rows too. */
const ROW_BYTES = 256;
/** Ids that are remembered, of all streams together: an id that comes again after so many others counts as new. */
const MAX_SEEN = 100_000;
const PRUNE_EACH = 1_000;

const TABLES = `
  CREATE TABLE IF NOT EXISTS stream (name TEXT PRIMARY KEY, spec TEXT NOT NULL, ledger TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS item (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    stage TEXT NOT NULL,
    id TEXT,
    key TEXT NOT NULL,
    is_json INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS item_by_stage ON item (stream, stage, position);
  CREATE INDEX IF NOT EXISTS item_by_age ON item (stream, accepted_at);
  CREATE TABLE IF NOT EXISTS seen (n INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, id TEXT NOT NULL, UNIQUE (stream, id)) STRICT;
`;

const count = z.number().int();
const ledgerSchema: z.ZodType<Ledger> = z.object({
  produced: count,
  delivered: count,
  deduplicated: count,
  expired: count,
  dropped: z.record(z.enum(DROP_REASONS), count),
  waiting: z.object({ item: count, result: count }),
  waitingBytes: count,
});

type Row = Record<string, SQLOutputValue>;

/**
 * Items, results and ledgers of streams in one SQLite database. Synchronous, so it runs in a thread of its own
 * (`store-thread.ts`), which puts transactions around the calls: what one call changes of items it changes of the ledger too.
 * Node's own SQLite, because nothing has to be installed or built for it, and its log is safe against a kill at any byte.
 */
export class StreamDatabase {
  readonly #database: DatabaseSync;
  readonly #maxBytes: number;
  readonly #statements = new Map<string, StatementSync>();

  /** `maxBytes`: that may wait of all streams together. Throws when the file is no database or damaged. */
  constructor(path: string, maxBytes: number) {
    this.#maxBytes = maxBytes;
    // For the node's own user alone, as hosts may pass through its folder. SQLite gives the log the rights of the database.
    closeSync(openSync(path, "a", 0o600));
    this.#database = new DatabaseSync(path);
    try {
      // FULL: a commit is an fsync, so that power may fail too. The log is checkpointed by itself and cut to 4 MiB.
      this.#database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=4194304;");
      const [fault] = Object.values(this.#database.prepare("PRAGMA quick_check(1)").get() ?? {});
      if (fault !== "ok") throw new Error(`the database of streams is damaged: ${String(fault)}`);
      this.#database.exec(TABLES);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** One transaction; an error undoes all of it. */
  transaction<Result>(work: () => Result): Result {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // SQLite has ended it already when the disk is full.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  streams(): readonly { readonly name: string; readonly spec: DesiredStream; readonly ledger: Ledger }[] {
    return this.#sql("SELECT name, spec, ledger FROM stream")
      .all()
      .map((row) => ({
        name: text(row, "name"),
        spec: desiredStream.parse(JSON.parse(text(row, "spec"))),
        ledger: ledgerSchema.parse(JSON.parse(text(row, "ledger"))),
      }));
  }

  declare(stream: string, spec: DesiredStream): void {
    this.#sql("INSERT INTO stream VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET spec = excluded.spec").run(
      stream,
      JSON.stringify(spec),
      JSON.stringify(EMPTY_LEDGER),
    );
  }

  accept(
    stream: string,
    item: StreamItem,
    { maxBytes, whenFull, now }: StreamBounds & { readonly now: number },
  ): Acceptance {
    const { id, key, isJson, bytes } = item;
    if (id !== undefined && this.#sql("SELECT 1 FROM seen WHERE stream = ? AND id = ?").get(stream, id) !== undefined) {
      this.#record(stream, { kind: "duplicate" });
      return { kind: "duplicate" };
    }
    const needs = bytes.byteLength + ROW_BYTES;
    if (needs > Math.min(maxBytes, this.#maxBytes)) {
      this.#record(stream, { kind: "rejected", reason: "too-large" });
      return { kind: "dropped", reason: "too-large" };
    }
    // What others hold is theirs: a stream makes room by its own items alone.
    const share = Math.min(maxBytes, this.#maxBytes - this.#heldByOthers(stream));
    if (this.ledger(stream).waitingBytes + needs > share) {
      if (whenFull === "refuse") return { kind: "full" };
      if (needs > share) {
        this.#record(stream, { kind: "rejected", reason: "full" });
        return { kind: "dropped", reason: "full" };
      }
      this.#makeRoom(stream, share - needs);
    }
    const { lastInsertRowid } = this.#sql(
      "INSERT INTO item (stream, stage, id, key, is_json, accepted_at, sha256, bytes) VALUES (?, 'item', ?, ?, ?, ?, ?, ?)",
    ).run(stream, id ?? null, key, Number(isJson), now, sha256(bytes), bytes);
    if (id !== undefined) this.#remember(stream, id);
    this.#record(stream, { kind: "accepted", bytes: needs });
    return { kind: "accepted", position: Number(lastInsertRowid) };
  }

  reject(stream: string, reason: DropReason): void {
    this.#record(stream, { kind: "rejected", reason });
  }

  take(
    stream: string,
    stage: Stage,
    bounds: { readonly items: number; readonly bytes: number; readonly expireBefore: number },
  ): readonly StoredItem[] {
    this.#expire(stream, bounds.expireBefore);
    const found: StoredItem[] = [];
    let bytes = 0;
    const rows = this.#sql(
      "SELECT position, id, key, is_json, accepted_at, sha256, bytes FROM item WHERE stream = ? AND stage = ? ORDER BY position LIMIT ?",
    ).iterate(stream, stage, bounds.items);
    const damaged: number[] = [];
    for (const row of rows) {
      const item = storedItem(row);
      if (!sha256(item.bytes).equals(blob(row, "sha256"))) {
        damaged.push(item.position);
        continue;
      }
      bytes += item.bytes.byteLength;
      if (found.length > 0 && bytes > bounds.bytes) break;
      found.push(item);
    }
    for (const position of damaged) this.#drop(stream, position, "damaged");
    return found;
  }

  settle(stream: string, settlements: readonly Settlement[]): void {
    for (const { position, outcome } of settlements) {
      if (outcome.kind === "dropped") this.#drop(stream, position, outcome.reason);
      else if (outcome.kind === "delivered") {
        const bytes = this.#delete(position, "result");
        if (bytes !== undefined) this.#record(stream, { kind: "delivered", bytes });
      } else {
        const bytes = this.#sizeOf(position, "item");
        if (bytes === undefined) continue; // dropped for room, or expired, while its model ran
        const { result } = outcome;
        this.#sql("UPDATE item SET stage = 'result', sha256 = ?, bytes = ? WHERE position = ?").run(
          sha256(result),
          result,
          position,
        );
        this.#record(stream, { kind: "inferred", bytes, resultBytes: result.byteLength + ROW_BYTES });
      }
    }
  }

  abandon(stream: string): void {
    const rows = this.#sql("SELECT position FROM item WHERE stream = ? AND stage = 'item'").all(stream);
    for (const row of rows) this.#drop(stream, whole(row, "position"), "undeclared");
  }

  forget(stream: string): void {
    for (const table of ["item", "seen"]) this.#sql(`DELETE FROM ${table} WHERE stream = ?`).run(stream);
    this.#sql("DELETE FROM stream WHERE name = ?").run(stream);
  }

  ledger(stream: string): Ledger {
    const row = this.#sql("SELECT ledger FROM stream WHERE name = ?").get(stream);
    if (row === undefined) throw new Error(`the store knows no stream ${stream}`);
    return ledgerSchema.parse(JSON.parse(text(row, "ledger")));
  }

  close(): void {
    this.#database.close();
  }

  #heldByOthers(stream: string): number {
    const rows = this.#sql("SELECT ledger FROM stream WHERE name <> ?").all(stream);
    return rows.reduce((sum, row) => sum + ledgerSchema.parse(JSON.parse(text(row, "ledger"))).waitingBytes, 0);
  }

  #makeRoom(stream: string, toBytes: number): void {
    const oldest = this.#sql("SELECT position FROM item WHERE stream = ? ORDER BY position LIMIT 1");
    while (this.ledger(stream).waitingBytes > toBytes) {
      const row = oldest.get(stream);
      if (row === undefined) return;
      this.#drop(stream, whole(row, "position"), "full");
    }
  }

  #expire(stream: string, before: number): void {
    const rows = this.#sql("SELECT position, stage FROM item WHERE stream = ? AND accepted_at < ?").all(stream, before);
    for (const row of rows) {
      const stage = stageOf(row);
      const bytes = this.#delete(whole(row, "position"), stage);
      if (bytes !== undefined) this.#record(stream, { kind: "expired", stage, bytes });
    }
  }

  #drop(stream: string, position: number, reason: DropReason): void {
    const row = this.#sql("SELECT stage FROM item WHERE position = ?").get(position);
    if (row === undefined) return;
    const stage = stageOf(row);
    const bytes = this.#delete(position, stage);
    if (bytes !== undefined) this.#record(stream, { kind: "dropped", stage, bytes, reason });
  }

  /** What it counted for; undefined: there is no such row in this stage. */
  #delete(position: number, stage: Stage): number | undefined {
    const bytes = this.#sizeOf(position, stage);
    if (bytes !== undefined) this.#sql("DELETE FROM item WHERE position = ?").run(position);
    return bytes;
  }

  #sizeOf(position: number, stage: Stage): number | undefined {
    const row = this.#sql("SELECT length(bytes) AS size FROM item WHERE position = ? AND stage = ?").get(
      position,
      stage,
    );
    return row === undefined ? undefined : whole(row, "size") + ROW_BYTES;
  }

  #remember(stream: string, id: string): void {
    const { lastInsertRowid } = this.#sql("INSERT INTO seen (stream, id) VALUES (?, ?)").run(stream, id);
    const n = Number(lastInsertRowid);
    if (n % PRUNE_EACH === 0) this.#sql("DELETE FROM seen WHERE n <= ?").run(n - MAX_SEEN);
  }

  #record(stream: string, event: LedgerEvent): void {
    const after = record(this.ledger(stream), event);
    this.#sql("UPDATE stream SET ledger = ? WHERE name = ?").run(JSON.stringify(after), stream);
  }

  #sql(source: string): StatementSync {
    const known = this.#statements.get(source);
    if (known !== undefined) return known;
    const made = this.#database.prepare(source);
    this.#statements.set(source, made);
    return made;
  }
}

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

function storedItem(row: Row): StoredItem {
  const { id } = row;
  return {
    position: whole(row, "position"),
    id: typeof id === "string" ? id : undefined,
    key: text(row, "key"),
    isJson: whole(row, "is_json") === 1,
    acceptedAt: whole(row, "accepted_at"),
    bytes: blob(row, "bytes"),
  };
}

const stageOf = (row: Row): Stage => (text(row, "stage") === "item" ? "item" : "result");

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new Error(`the column ${column} of the streams is no text`);
  return value;
}

function whole(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new Error(`the column ${column} of the streams is no number`);
  return value;
}

function blob(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new Error(`the column ${column} of the streams holds no bytes`);
  return value;
}
