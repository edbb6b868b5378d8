import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../../../cli/dev/embedded-postgres.ts";
import { readPostmasterFile } from "../../../cli/dev/postmaster.ts";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { alice, connect, event, messagesOf, openStores, specOf } from "../../integration/postgres/fixture.ts";

/** So long a frozen server is waited for here. */
const ANSWER_MS = 10_000;

let directory: string;
let server: EmbeddedPostgres;
let stores: PostgresStores;
let rings = 0;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-outage-"));
  server = await startEmbeddedPostgres({ directory });
  stores = await openStores(server.url, ANSWER_MS);
  await stores.catalog.createModel({ name: "digits", labels: {} }, alice);
  await stores.notifier.listen(() => rings++);
});
afterAll(async () => {
  await stores.notifier.stop();
  await stores.close();
  await server.stop();
  await rm(directory, { recursive: true });
});

const restart = async (): Promise<void> => {
  server = await startEmbeddedPostgres({ directory, port: server.port });
};
const declare = (name: string, by = stores) => by.deployments.put(specOf(name), { actor: alice, ifMatch: undefined });
const answers = () =>
  until("PostgreSQL answers", () =>
    declare("digits").then(
      () => true,
      () => false,
    ),
  );

/** How each kind of call ends: its error's code. */
async function failures(): Promise<readonly string[]> {
  const calls = [
    stores.keys.list(),
    stores.fleet.load(0),
    declare("digits"),
    stores.leadership.acquire("r-1", 1_000),
    stores.events.append([event("x")]),
  ];
  const ended = await Promise.allSettled(calls);
  const codes = ended.map((call) =>
    call.status === "rejected" ? (call.reason as { code: string }).code : "fulfilled",
  );
  return [...new Set(codes)];
}

describe("while PostgreSQL is down after a crash", () => {
  it("every call is refused, and goes through again after the restart on the same stores", async () => {
    await stores.events.append([event("before the crash")]);
    await server.stop("immediate");
    expect(await failures()).toEqual(["DATABASE_UNAVAILABLE"]);
    rings = 0;
    await restart();
    await answers();
    expect(await messagesOf(stores)).toContain("before the crash");
    await until("the notifier is heard again", () => rings > 0);
  });

  it("a call that was under way ends with the refusal, too", async () => {
    const blocker = await connect(server.url);
    await blocker.query("BEGIN");
    await blocker.query("LOCK TABLE deployments");
    // Of stores that wait for long: it is to end with the server.
    const patient = await openStores(server.url);
    const call = declare("late", patient).catch((error: unknown) => error);
    // By a connection of its own: within a transaction this view stays as it was at the first look.
    const sql = await connect(server.url);
    await until(
      "the call waits",
      async () => (await sql.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).rowCount === 1,
    );
    await sql.end();
    await server.stop("immediate");
    expect(await call).toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    await blocker.end().catch(() => undefined);
    await patient.close();
    await restart();
    await answers();
    expect(await stores.deployments.rowVersion("late")).toBeNull();
  });
});

describe("while PostgreSQL is frozen", () => {
  it("every call is refused, and goes through again once it is thawed", async () => {
    await answers();
    const sql = await connect(server.url);
    const backends = (
      await sql.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      )
    ).rows;
    await sql.end();
    const postmaster = await readPostmasterFile(path.join(directory, "data"));
    const pids = [postmaster?.pid ?? 0, ...backends.map(({ pid }) => pid)];
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    try {
      // It is frozen until all of them have ended: none of them waits for it.
      expect(await failures()).toEqual(["DATABASE_UNAVAILABLE"]);
    } finally {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
    await answers();
  });
});

describe("a database that is not there", () => {
  it("is reported as unavailable at the start", async () => {
    const nowhere = new URL(server.url);
    nowhere.port = "1";
    await expect(openStores(nowhere.href)).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
  });
});
