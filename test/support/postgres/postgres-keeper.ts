import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../../../cli/dev/embedded-postgres.ts";
import { migrate } from "../../../control-plane/adapters/postgres/migrate.ts";

/**
 * A PostgreSQL for one Jest worker: prints its URL, and ends with its data as soon as standard input closes, which
 * happens however the worker ends. Run by postgres.ts, with the path of the note that holds the URL.
 */
const [, , note = ""] = process.argv;
const directory = await mkdtemp(path.join(tmpdir(), "skerry-test-postgres-"));
const ended = new Promise((resolve) => process.stdin.once("close", resolve).resume());
// What a power cut would lose does not matter here.
const server = await startEmbeddedPostgres({
  directory,
  settings: { fsync: "off", full_page_writes: "off", max_connections: "200" },
});
try {
  const template = new URL(server.url);
  template.pathname = "/skerry_template";
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query("CREATE DATABASE skerry_template");
  await client.end();
  await migrate({ url: template.href, answerMs: 60_000 });
  process.stdout.write(`${server.url}\n`);
  await ended;
} finally {
  await server.stop("immediate");
  await rm(note, { force: true });
  await rm(directory, { recursive: true, force: true });
}
