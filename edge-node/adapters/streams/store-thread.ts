import { renameSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { z } from "zod";
import { messageOf } from "../../../shared/base/errors.ts";
import { execute, type StoreReply, type StoreRequest } from "./store-calls.ts";
import { StreamDatabase } from "./stream-database.ts";

/** Calls that share a transaction, and with it the wait for the disk. */
const MAX_TOGETHER = 256;
const DAMAGED = /malformed|not a database|is damaged/;
const DISK_FULL = /full|disk I\/O error|readonly/;

/**
 * The thread that holds the database of streams: waiting for the disk blocks a thread, and the agent's has sockets to answer.
 * Calls that came while the last transaction ran share the next one.
 */
function main(): void {
  const port = parentPort;
  if (port === null) throw new Error("this is the entry of a thread");
  const { path, maxBytes } = z.object({ path: z.string(), maxBytes: z.number() }).parse(workerData);
  const reply = (message: StoreReply): void => port.postMessage(message);
  let database: StreamDatabase;
  try {
    const opened = openOrSetAside(path, maxBytes);
    database = opened.database;
    reply({ kind: "opened", streams: database.streams(), mark: database.mark(), aside: opened.aside });
  } catch (error) {
    reply({ kind: "unopened", error: messageOf(error) });
    port.close();
    return;
  }
  let waiting: Exclude<StoreRequest, "close">[] = [];
  let isScheduled = false;
  const work = (): void => {
    isScheduled = false;
    const batch = waiting.slice(0, MAX_TOGETHER);
    waiting = waiting.slice(MAX_TOGETHER);
    for (const message of answers(database, batch)) reply(message);
    if (waiting.length > 0) schedule();
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(work);
  };
  port.on("message", (request: StoreRequest) => {
    if (request === "close") {
      while (waiting.length > 0) work();
      database.close();
      port.close();
      return;
    }
    waiting.push(request);
    schedule();
  });
}

/** All in one transaction; when that fails, each in its own, so that one call does not fail the others. */
function answers(database: StreamDatabase, batch: readonly Exclude<StoreRequest, "close">[]): readonly StoreReply[] {
  const together = (calls: typeof batch): readonly StoreReply[] =>
    database.transaction(() =>
      calls.map(({ n, call }) => ({ kind: "done" as const, n, result: execute(database, call) })),
    );
  try {
    return together(batch);
  } catch (error) {
    if (batch.length === 1) return batch.map(({ n }) => failed(n, error));
  }
  return batch.flatMap((request) => {
    try {
      return together([request]);
    } catch (error) {
      return [failed(request.n, error)];
    }
  });
}

function failed(n: number, error: unknown): StoreReply {
  const words = messageOf(error);
  return { kind: "failed", n, error: words, isFull: DISK_FULL.test(words) };
}

/** A damaged database is kept for a person, and a new one begun: one that cannot go on loses more. */
function openOrSetAside(
  path: string,
  maxBytes: number,
): { readonly database: StreamDatabase; readonly aside: string | undefined } {
  try {
    return { database: new StreamDatabase(path, maxBytes), aside: undefined };
  } catch (error) {
    if (!DAMAGED.test(messageOf(error))) throw error;
  }
  const aside = `${path}.damaged-${Date.now()}`;
  for (const suffix of ["", "-wal", "-shm"])
    try {
      renameSync(`${path}${suffix}`, `${aside}${suffix}`);
    } catch {
      // the log may be absent
    }
  return { database: new StreamDatabase(path, maxBytes), aside };
}

main();
