import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StreamDatabase } from "../../../../edge-node/adapters/streams/stream-database.ts";
import { ThreadStore } from "../../../../edge-node/adapters/streams/thread-store.ts";
import { isExact } from "../../../../edge-node/core/streams/ledger.ts";
import type { StreamBounds, StreamItem } from "../../../../edge-node/ports/streams.ts";
import type { DesiredStream } from "../../../../shared/protocol/streams.ts";
import { silentLogger } from "../../../support/silent-logger.ts";

const stream = { deployment: "vibration", name: "press" };
const spec: DesiredStream = {
  name: "press",
  source: "push",
  sink: "hook",
  expirySeconds: 60,
  maxMiB: 1,
  whenFull: "drop-oldest",
};
const item = (id: string | undefined, size = 10): StreamItem => ({
  id,
  key: "",
  bytes: new Uint8Array(size).fill(7),
  isJson: false,
});
const MIB = 1_048_576;
const roomy = { maxBytes: MIB, whenFull: "drop-oldest" as const };
const at = (ms: number) => ({ ageMs: ms, wallMs: ms });
const all = { items: 100, bytes: MIB, expiryMs: 1_000_000, now: at(1_000) };

let folder: string;
let file: string;
let store: ThreadStore;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-streams-"));
  file = path.join(folder, "streams.db");
  store = new ThreadStore(file, { maxBytes: 2 * MIB, logger: silentLogger });
  await store.open();
  await store.declare(stream, spec);
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** One item, at an instant of the store. */
async function accept(to: typeof stream, one: StreamItem, { now, ...bounds }: StreamBounds & { readonly now: number }) {
  const [acceptance] = await store.accept(to, [one], { ...bounds, now: at(now) });
  if (acceptance === undefined) throw new Error("the store did not answer");
  return acceptance;
}

const reopened = async (): Promise<ThreadStore> => {
  await store.close();
  store = new ThreadStore(file, { maxBytes: 2 * MIB, logger: silentLogger });
  await store.open();
  return store;
};

describe("the store of streams", () => {
  it("keeps items, declarations and counts over a restart", async () => {
    expect(await accept(stream, item("a"), { ...roomy, now: 1_000 })).toEqual({ kind: "accepted", position: 1 });
    expect(await accept(stream, item("a"), { ...roomy, now: 1_001 })).toEqual({ kind: "duplicate" });
    await store.close();
    store = new ThreadStore(file, { maxBytes: 2 * MIB, logger: silentLogger });
    expect(await store.open()).toEqual({ streams: [{ stream, spec }], mark: at(1_001) });
    expect(await accept(stream, item("a"), { ...roomy, now: 1_002 })).toEqual({ kind: "duplicate" });
    expect(await store.take(stream, "item", all)).toEqual([
      { position: 1, id: "a", key: "", isJson: false, acceptedAt: 1_000, bytes: item("a").bytes },
    ]);
    expect(store.ledger(stream)).toMatchObject({ produced: 3, deduplicated: 2, waiting: { item: 1, result: 0 } });
  });

  it("takes an item without an id again as often as it comes", async () => {
    for (const now of [1, 2]) expect((await accept(stream, item(undefined), { ...roomy, now })).kind).toBe("accepted");
  });

  it("puts a result in the place of its item, and counts its delivery once", async () => {
    await accept(stream, item("a", 1_000), { ...roomy, now: 1 });
    const result = new Uint8Array([1, 2, 3]);
    await store.settle(stream, [{ position: 1, outcome: { kind: "inferred", result } }]);
    expect(await store.take(stream, "item", all)).toEqual([]);
    expect((await store.take(stream, "result", all)).map(({ bytes }) => bytes)).toEqual([result]);
    expect(store.ledger(stream).waitingBytes).toBeLessThan(1_000);
    for (let i = 0; i < 2; i += 1) await store.settle(stream, [{ position: 1, outcome: { kind: "delivered" } }]);
    expect(store.ledger(stream)).toMatchObject({ delivered: 1, waiting: { item: 0, result: 0 }, waitingBytes: 0 });
  });

  it("discards the oldest when it is full, or takes nothing more, as it is declared", async () => {
    const bounds = { maxBytes: 3_000, now: 1 };
    for (const id of ["a", "b", "c"])
      expect((await accept(stream, item(id, 1_000), { ...bounds, whenFull: "drop-oldest" })).kind).toBe("accepted");
    expect((await store.take(stream, "item", all)).map(({ id }) => id)).toEqual(["b", "c"]);
    expect(await accept(stream, item("d", 1_000), { ...bounds, whenFull: "refuse" })).toEqual({ kind: "full" });
    expect(store.ledger(stream)).toMatchObject({ produced: 3, dropped: { full: 1 }, waiting: { item: 2 } });
    // What was refused may come again.
    await store.settle(stream, [{ position: 2, outcome: { kind: "dropped", reason: "failed" } }]);
    expect((await accept(stream, item("d", 1_000), { ...bounds, whenFull: "refuse" })).kind).toBe("accepted");
  });

  it("drops an item that is larger than all that may wait", async () => {
    const bounds = { maxBytes: 1_000, whenFull: "drop-oldest" as const, now: 1 };
    expect(await accept(stream, item("a", 1_000), bounds)).toEqual({ kind: "dropped", reason: "too-large" });
    expect(isExact(store.ledger(stream))).toBe(true);
  });

  it("lets items and results expire by their age when it is asked for them", async () => {
    for (const [id, now] of [
      ["a", 100],
      ["b", 200],
      ["c", 300],
    ] as const)
      await accept(stream, item(id), { ...roomy, now });
    await store.settle(stream, [{ position: 1, outcome: { kind: "inferred", result: new Uint8Array(1) } }]);
    expect((await store.take(stream, "item", { ...all, expiryMs: 100, now: at(350) })).map(({ id }) => id)).toEqual([
      "c",
    ]);
    expect(store.ledger(stream)).toMatchObject({ expired: 2, waiting: { item: 1, result: 0 } });
  });

  it("drops an item whose bytes on the disk are others than those that were written", async () => {
    for (const id of ["a", "b"]) await accept(stream, item(id), { ...roomy, now: 1 });
    await store.close();
    const database = new DatabaseSync(file);
    database.exec("UPDATE item SET bytes = zeroblob(10) WHERE position = 1");
    database.close();
    await reopened();
    expect((await store.take(stream, "item", all)).map(({ id }) => id)).toEqual(["b"]);
    expect(store.ledger(stream)).toMatchObject({ dropped: { damaged: 1 }, waiting: { item: 1 } });
  });

  it("keeps its files to the node's own user", async () => {
    await accept(stream, item("a"), { ...roomy, now: 1 });
    const files = (await readdir(folder)).filter((name) => name.startsWith("streams.db"));
    expect(files).toContain("streams.db-wal");
    for (const name of files) expect([name, (await stat(path.join(folder, name))).mode & 0o077]).toEqual([name, 0]);
  });

  it("sets a damaged database aside and begins a new one", async () => {
    await store.close();
    await writeFile(file, "no database at all, but long enough to be read as the head of one".repeat(50));
    await reopened();
    expect(store.ledger(stream).produced).toBe(0);
    const aside = (await readdir(folder)).find((name) => name.startsWith("streams.db.damaged-"));
    expect(await readFile(path.join(folder, aside ?? ""), "utf8")).toMatch(/^no database/);
  });

  it("holds no more than the device gives all streams together, whatever is declared", async () => {
    const other = { deployment: "vibration", name: "lathe" };
    const greedy = { ...roomy, maxBytes: 1_000 * MIB, now: 1 };
    await store.declare(other, { ...spec, name: "lathe" });
    expect(await accept(stream, item(undefined, 2 * MIB), greedy)).toEqual({
      kind: "dropped",
      reason: "too-large",
    });
    const half = item(undefined, MIB - 1_000);
    expect((await accept(stream, half, greedy)).kind).toBe("accepted");
    expect((await accept(other, half, greedy)).kind).toBe("accepted");
    // It makes room by its own, or is full.
    expect((await accept(other, half, greedy)).kind).toBe("accepted");
    expect((await accept(other, half, { ...greedy, whenFull: "refuse" })).kind).toBe("full");
    expect(await accept(other, item(undefined, MIB + 2_000), greedy)).toEqual({
      kind: "dropped",
      reason: "full",
    });
    expect(store.ledger(stream)).toMatchObject({ waiting: { item: 1 }, dropped: { "too-large": 1 } });
    expect(store.ledger(other)).toMatchObject({ produced: 3, waiting: { item: 1 }, dropped: { full: 2 } });
    expect(isExact(store.ledger(other))).toBe(true);
  });

  it("undoes all of a transaction that fails, counts and items alike", () => {
    const database = new StreamDatabase(path.join(folder, "other.db"), MIB);
    const name = "vibration/press";
    database.transaction(() => database.declare(name, spec));
    const failing = (): void =>
      database.transaction(() => {
        database.accept(name, [item("a")], { ...roomy, now: at(1) });
        throw new Error("killed");
      });
    expect(failing).toThrow("killed");
    expect(database.ledger(name).produced).toBe(0);
    expect(database.transaction(() => database.accept(name, [item("a")], { ...roomy, now: at(1) }))).toEqual([
      { kind: "accepted", position: 1 },
    ]);
    database.close();
  });

  it("answers each of many calls at once, in their order", async () => {
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, i) => accept(stream, item(`i${i}`), { ...roomy, now: i })),
    );
    expect(answers.map((each) => each.kind === "accepted" && each.position)).toEqual(
      Array.from({ length: 300 }, (_, i) => i + 1),
    );
  });

  it("takes many items in one call, in their order, until it is full", async () => {
    const bounds = { maxBytes: 3_000, whenFull: "refuse" as const, now: at(1) };
    const items = ["a", "b", "c", "d"].map((id) => item(id, id === "c" ? 2_500 : 100));
    expect((await store.accept(stream, items, bounds)).map(({ kind }) => kind)).toEqual([
      "accepted",
      "accepted",
      "full",
      "full",
    ]);
    expect(store.ledger(stream)).toMatchObject({ produced: 2, waiting: { item: 2 } });
  });

  it("believes a source that says which items are repetitions, for the last 1,024", async () => {
    const bounds = { ...roomy, maxBytes: 2 * MIB, now: at(1) };
    const kinds = async (...items: readonly StreamItem[]) =>
      (await store.accept(stream, items, bounds)).map(({ kind }) => kind);
    const fresh = { ...item("7:x"), isRepeat: false };
    const again = { ...item("7:x"), isRepeat: true };
    expect(await kinds(again, fresh, fresh, again)).toEqual(["accepted", "accepted", "accepted", "duplicate"]);
    await kinds(...Array.from({ length: 1_024 }, (_, i) => ({ ...item(`i${i}`), isRepeat: false })));
    expect(await kinds(again)).toEqual(["accepted"]);
    expect(isExact(store.ledger(stream))).toBe(true);
  });

  it("passes over what is set aside", async () => {
    for (const id of ["a", "b"]) await accept(stream, item(id), { ...roomy, now: 1 });
    expect((await store.take(stream, "item", { ...all, skip: [1] })).map(({ id }) => id)).toEqual(["b"]);
  });

  it("keeps counts of reasons that it does not know, and adds them up", async () => {
    await store.close();
    const database = new DatabaseSync(file);
    database.exec(
      `UPDATE stream SET ledger = '{"produced":3,"delivered":1,"deduplicated":0,"expired":0,"dropped":{"eclipsed":2},"waiting":{"item":0,"result":0},"waitingBytes":0,"later":9}'`,
    );
    database.close();
    await reopened();
    await accept(stream, item("a"), { ...roomy, now: 1 });
    await reopened();
    expect(store.ledger(stream)).toMatchObject({ produced: 4, dropped: { eclipsed: 2, full: 0 }, later: 9 });
    expect(isExact(store.ledger(stream))).toBe(true);
  });

  it("opens beside a stream whose counts cannot be read, and says why that one cannot be declared", async () => {
    await store.declare({ ...stream, name: "lathe" }, { ...spec, name: "lathe" });
    await store.close();
    const database = new DatabaseSync(file);
    database.exec(`UPDATE stream SET ledger = '{"produced":"many"}' WHERE name = 'vibration/press'`);
    database.close();
    await reopened();
    await expect(store.declare(stream, spec)).rejects.toThrow(
      /the counts of vibration\/press on the disk cannot be read/,
    );
    expect((await accept({ ...stream, name: "lathe" }, item("a"), { ...roomy, now: 1 })).kind).toBe("accepted");
  });

  it("goes on with a database from before items had ages", async () => {
    await accept(stream, item("a"), { ...roomy, now: 1 });
    await store.close();
    const database = new DatabaseSync(file);
    database.exec("DROP INDEX item_by_store_age; ALTER TABLE item DROP COLUMN age_ms; DROP TABLE time");
    database.close();
    await reopened();
    expect((await store.take(stream, "item", all)).map(({ id }) => id)).toEqual(["a"]);
  });

  it("forgets a stream with all that waits of it", async () => {
    await accept(stream, item("a"), { ...roomy, now: 1 });
    await store.forget(stream);
    await store.close();
    store = new ThreadStore(file, { maxBytes: 2 * MIB, logger: silentLogger });
    expect(await store.open()).toEqual({ streams: [], mark: at(1) });
  });
});
