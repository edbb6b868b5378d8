import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";

const KEEPER = path.join(import.meta.dirname, "postgres-keeper.ts");
/** All test files of a worker share one server; modules are loaded anew for each file, so a file passes the URL on. */
const NOTE = path.join(tmpdir(), `skerry-test-postgres-of-${process.pid}`);

export interface TestDatabase {
  /** A database of its own, without rows. */
  readonly url: string;
  /** Ends its sessions and drops it. */
  stop(): Promise<void>;
}

/**
 * For `beforeAll`: the first call in a worker starts PostgreSQL (1.3 s), every call makes a database (30 ms). It is
 * migrated unless `isEmpty`, for a build of Skerry with other migrations.
 */
export async function startTestDatabase(options: { readonly isEmpty?: boolean } = {}): Promise<TestDatabase> {
  const server = await serverUrl();
  const name = `test_${randomBytes(6).toString("hex")}`;
  await onServer(
    server,
    `CREATE DATABASE ${name} TEMPLATE ${options.isEmpty === true ? "template0" : "skerry_template"} STRATEGY file_copy`,
  );
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, stop: () => onServer(server, `DROP DATABASE ${name} WITH (FORCE)`) };
}

/** A database with what another one holds now, as a backup and its restore would give. Nothing may be connected to that one. */
export async function copyTestDatabase({ url }: TestDatabase): Promise<TestDatabase> {
  const server = await serverUrl();
  const name = `test_${randomBytes(6).toString("hex")}`;
  await onServer(server, `CREATE DATABASE ${name} TEMPLATE ${new URL(url).pathname.slice(1)} STRATEGY file_copy`);
  const copy = new URL(server);
  copy.pathname = `/${name}`;
  return { url: copy.href, stop: () => onServer(server, `DROP DATABASE ${name} WITH (FORCE)`) };
}

/** The note may be of an earlier process that had our pid: then its server is gone. */
async function serverUrl(): Promise<string> {
  const noted = await readFile(NOTE, "utf8").catch(() => undefined);
  if (
    noted !== undefined &&
    (await onServer(noted, "SELECT 1").then(
      () => true,
      () => false,
    ))
  )
    return noted;
  const url = await startKeeper();
  await writeFile(`${NOTE}.new`, url, { mode: 0o600 });
  await rename(`${NOTE}.new`, NOTE);
  return url;
}

/** Resolves with the server's URL. The keeper lives as long as this process: the pipe to its standard input is never closed. */
function startKeeper(): Promise<string> {
  const child = spawn(process.execPath, [KEEPER, NOTE], { stdio: ["pipe", "pipe", "inherit"], detached: true });
  return new Promise((resolve, reject) => {
    child
      .once("error", reject)
      .once("exit", (code) => reject(new Error(`no PostgreSQL for the tests: its keeper ended with ${code}`)));
    child.stdout.once("data", (bytes: Buffer) => {
      child.stdout.destroy();
      // None of these may keep the worker from ending.
      child.unref();
      if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
      resolve(bytes.toString().trim());
    });
  });
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
