import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { DesiredStream } from "../../../shared/protocol/streams.ts";
import type { StreamTime } from "../../core/streams/age.ts";
import type { DropReason, Ledger, Stage } from "../../core/streams/ledger.ts";
import type { Acceptance, Settlement, StoredItem, StreamBounds, StreamItem, TakeBounds } from "../../ports/streams.ts";
import { blob, type Row, text, whole } from "./columns.ts";
import { LedgerRows } from "./ledger-rows.ts";
import type { StreamRow } from "./stream-row.ts";

/** What a row costs beside its bytes, so that a bound on bytes bounds rows too. */
const ROW_BYTES = 256;
/** Ids that are remembered, of all streams together: an id that comes again after so many others counts as new. */
const MAX_SEEN = 100_000;
const PRUNE_EACH = 1_000;
/** Ids of a stream among which one that its source marks as a repetition is looked for. */
const REPEAT_WINDOW = 1_024;
/** The time of the store is written so often: an idle node does not write to its disk each second. */
const MARK_MS = 60_000;

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
    age_ms REAL NOT NULL DEFAULT 0,
    sha256 BLOB NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS item_by_stage ON item (stream, stage, position);
  CREATE TABLE IF NOT EXISTS seen (n INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, id TEXT NOT NULL, UNIQUE (stream, id)) STRICT;
  CREATE TABLE IF NOT EXISTS time (one INTEGER PRIMARY KEY CHECK (one = 1), age_ms REAL NOT NULL, wall_ms REAL NOT NULL) STRICT;
`;
/** Ages came after the first databases. What those hold counts as accepted when the store was new. */
const AGES = "ALTER TABLE item ADD COLUMN age_ms REAL NOT NULL DEFAULT 0";
const INDEX = "CREATE INDEX IF NOT EXISTS item_by_store_age ON item (stream, age_ms)";

/**
 * Items, results and ledgers of streams in one SQLite database. Synchronous, so it runs in a thread of its own
 * (`store-thread.ts`), which puts transactions around the calls: what one call changes of items it changes of the ledger too.
 * Node's own SQLite, because nothing has to be installed or built for it, and its log is safe against a kill at any byte.
 */
export class StreamDatabase {
  readonly #database: DatabaseSync;
  readonly #maxBytes: number;
  readonly #statements = new Map<string, StatementSync>();
  readonly #rows: LedgerRows;
  #markedAt = -Infinity;

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
      const columns = this.#database.prepare("SELECT name FROM pragma_table_info('item')").all();
      if (!columns.some((row) => row["name"] === "age_ms")) this.#database.exec(AGES);
      this.#database.exec(INDEX);
      this.#rows = new LedgerRows(this.#database);
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
      this.#rows.write();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // SQLite has ended it already when the disk is full.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#rows.undo();
      throw error;
    }
  }

  streams(): readonly StreamRow[] {
    return this.#rows.all();
  }

  /** The age of the store when it was last written; undefined: it is new. */
  mark(): StreamTime | undefined {
    const row = this.#sql("SELECT age_ms, wall_ms FROM time").get();
    return row === undefined ? undefined : { ageMs: whole(row, "age_ms"), wallMs: whole(row, "wall_ms") };
  }

  declare(stream: string, spec: DesiredStream): void {
    this.#rows.declare(stream, spec);
  }

  accept(
    stream: string,
    items: readonly StreamItem[],
    bounds: StreamBounds & { readonly now: StreamTime },
  ): readonly Acceptance[] {
    this.#markTime(bounds.now);
    let isFull = false;
    return items.map((item) => {
      const acceptance: Acceptance = isFull ? { kind: "full" } : this.#accept(stream, item, bounds);
      isFull = acceptance.kind === "full";
      return acceptance;
    });
  }

  reject(stream: string, reason: DropReason): void {
    this.#rows.record(stream, { kind: "rejected", reason });
  }

  take(
    stream: string,
    stage: Stage,
    { items, bytes: maxBytes, now, expiryMs, skip = [] }: TakeBounds,
  ): readonly StoredItem[] {
    if (now.ageMs - this.#markedAt >= MARK_MS) this.#markTime(now);
    this.#expire(stream, now.ageMs - expiryMs);
    const found: StoredItem[] = [];
    let bytes = 0;
    const rows = this.#sql(
      `SELECT position, id, key, is_json, accepted_at, sha256, bytes FROM item
       WHERE stream = ? AND stage = ? AND position NOT IN (SELECT value FROM json_each(?)) ORDER BY position LIMIT ?`,
    ).iterate(stream, stage, JSON.stringify(skip), items);
    const damaged: number[] = [];
    for (const row of rows) {
      const item = storedItem(row);
      if (!sha256(item.bytes).equals(blob(row, "sha256"))) {
        damaged.push(item.position);
        continue;
      }
      bytes += item.bytes.byteLength;
      if (found.length > 0 && bytes > maxBytes) break;
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
        if (bytes !== undefined) this.#rows.record(stream, { kind: "delivered", bytes });
      } else {
        const bytes = this.#sizeOf(position, "item");
        if (bytes === undefined) continue; // dropped for room, or expired, while its model ran
        const { result } = outcome;
        this.#sql("UPDATE item SET stage = 'result', sha256 = ?, bytes = ? WHERE position = ?").run(
          sha256(result),
          result,
          position,
        );
        this.#rows.record(stream, { kind: "inferred", bytes, resultBytes: result.byteLength + ROW_BYTES });
      }
    }
  }

  abandon(stream: string): void {
    const rows = this.#sql("SELECT position FROM item WHERE stream = ? AND stage = 'item'").all(stream);
    for (const row of rows) this.#drop(stream, whole(row, "position"), "undeclared");
  }

  forget(stream: string): void {
    for (const table of ["item", "seen"]) this.#sql(`DELETE FROM ${table} WHERE stream = ?`).run(stream);
    this.#rows.forget(stream);
  }

  ledger(stream: string): Ledger {
    return this.#rows.of(stream);
  }

  close(): void {
    this.#database.close();
  }

  #accept(
    stream: string,
    item: StreamItem,
    { maxBytes, whenFull, now }: StreamBounds & { readonly now: StreamTime },
  ): Acceptance {
    const { id, key, isJson, bytes, isRepeat } = item;
    if (id !== undefined && isRepeat !== false && this.#isKnown(stream, id, isRepeat === true)) {
      this.#rows.record(stream, { kind: "duplicate" });
      return { kind: "duplicate" };
    }
    const needs = bytes.byteLength + ROW_BYTES;
    if (needs > Math.min(maxBytes, this.#maxBytes)) {
      this.#rows.record(stream, { kind: "rejected", reason: "too-large" });
      return { kind: "dropped", reason: "too-large" };
    }
    // What others hold is theirs: a stream makes room by its own items alone.
    const share = Math.min(maxBytes, this.#maxBytes - this.#rows.bytesBeside(stream));
    if (this.ledger(stream).waitingBytes + needs > share) {
      if (whenFull === "refuse") return { kind: "full" };
      if (needs > share) {
        this.#rows.record(stream, { kind: "rejected", reason: "full" });
        return { kind: "dropped", reason: "full" };
      }
      this.#makeRoom(stream, share - needs);
    }
    const { lastInsertRowid } = this.#sql(
      "INSERT INTO item (stream, stage, id, key, is_json, accepted_at, age_ms, sha256, bytes) VALUES (?, 'item', ?, ?, ?, ?, ?, ?, ?)",
    ).run(stream, id ?? null, key, Number(isJson), now.wallMs, now.ageMs, sha256(bytes), bytes);
    if (id !== undefined) this.#remember(stream, id);
    this.#rows.record(stream, { kind: "accepted", bytes: needs });
    return { kind: "accepted", position: Number(lastInsertRowid) };
  }

  #isKnown(stream: string, id: string, amongLast: boolean): boolean {
    const row = this.#sql("SELECT n FROM seen WHERE stream = ? AND id = ?").get(stream, id);
    if (row === undefined || !amongLast) return row !== undefined;
    const after = this.#sql("SELECT count(*) AS after FROM seen WHERE stream = ? AND n > ?").get(
      stream,
      whole(row, "n"),
    );
    return after !== undefined && whole(after, "after") < REPEAT_WINDOW;
  }

  #markTime({ ageMs, wallMs }: StreamTime): void {
    this.#sql("INSERT OR REPLACE INTO time VALUES (1, ?, ?)").run(ageMs, wallMs);
    this.#markedAt = ageMs;
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
    const rows = this.#sql("SELECT position, stage FROM item WHERE stream = ? AND age_ms < ?").all(stream, before);
    for (const row of rows) {
      const stage = stageOf(row);
      const bytes = this.#delete(whole(row, "position"), stage);
      if (bytes !== undefined) this.#rows.record(stream, { kind: "expired", stage, bytes });
    }
  }

  #drop(stream: string, position: number, reason: DropReason): void {
    const row = this.#sql("SELECT stage FROM item WHERE position = ?").get(position);
    if (row === undefined) return;
    const stage = stageOf(row);
    const bytes = this.#delete(position, stage);
    if (bytes !== undefined) this.#rows.record(stream, { kind: "dropped", stage, bytes, reason });
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
    const { lastInsertRowid } = this.#sql("INSERT OR REPLACE INTO seen (stream, id) VALUES (?, ?)").run(stream, id);
    const n = Number(lastInsertRowid);
    if (n % PRUNE_EACH === 0) this.#sql("DELETE FROM seen WHERE n <= ?").run(n - MAX_SEEN);
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
