import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { startEmbeddedPostgres } from "../../../cli/dev/embedded-postgres.ts";
import { readPostmasterFile } from "../../../cli/dev/postmaster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { connect } from "../../integration/postgres/fixture.ts";

// Each start is an initialisation or a start of PostgreSQL: a second each, and ten on a busy machine.
jest.setTimeout(180_000);

const MODULE = path.resolve(import.meta.dirname, "../../../cli/dev/embedded-postgres.ts");
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-embedded-"));
});
afterAll(() => rm(directory, { recursive: true }));

const start = () => startEmbeddedPostgres({ directory });
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** A process that starts PostgreSQL and stays. Resolves with it once the server is up. */
async function startInAnotherProcess() {
  const script = `const { startEmbeddedPostgres } = await import(${JSON.stringify(MODULE)});
    const { url } = await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)} });
    process.stdout.write(url); setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve, reject) =>
    child.stdout.once("data", resolve).once("close", () => reject(new Error("it ended"))),
  );
  return {
    async kill(): Promise<void> {
      const gone = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await gone;
    },
  };
}

describe("the embedded PostgreSQL", () => {
  it("initialises a new directory, keeps its password to its owner and listens on loopback only", async () => {
    const server = await start();
    const sql = await connect(server.url);
    const settings = await sql.query(
      "SELECT current_setting('listen_addresses') AS host, current_setting('synchronous_commit') AS sync, current_setting('unix_socket_directories') AS sockets",
    );
    expect(settings.rows).toEqual([{ host: "127.0.0.1", sync: "on", sockets: "" }]);
    await sql.query("CREATE TABLE kept AS SELECT 7 AS n");
    await sql.end();
    await server.stop();
    await server.exited;
    expect((await stat(path.join(directory, "password"))).mode & 0o777).toBe(0o600);
    const wrong = new URL(server.url);
    expect(wrong.password).toHaveLength(32);
  });

  it("finds its data and password again", async () => {
    const server = await start();
    const sql = await connect(server.url);
    expect((await sql.query("SELECT n FROM kept")).rows).toEqual([{ n: 7 }]);
    await sql.end();
    await server.stop();
    await server.stop();
  });

  it("leaves the handling of signals to its caller", async () => {
    const before = process.listenerCount("SIGINT") + process.listenerCount("SIGTERM") + process.listenerCount("exit");
    const server = await start();
    expect(process.listenerCount("SIGINT") + process.listenerCount("SIGTERM") + process.listenerCount("exit")).toBe(
      before,
    );
    await server.stop();
  });

  it("stops a server that outlived the process which started it", async () => {
    const other = await startInAnotherProcess();
    const orphan = (await readPostmasterFile(path.join(directory, "data")))?.pid ?? 0;
    await other.kill();
    expect(isAlive(orphan)).toBe(true);
    const server = await start();
    expect((await readPostmasterFile(path.join(directory, "data")))?.pid).not.toBe(orphan);
    await until("the orphan is gone", () => !isAlive(orphan));
    await server.stop();
  });

  it("refuses a directory whose owner lives, and leaves that one's server alone", async () => {
    const other = await startInAnotherProcess();
    const running = await readPostmasterFile(path.join(directory, "data"));
    await expect(start()).rejects.toThrow(/is in use by process \d+/);
    expect(await readPostmasterFile(path.join(directory, "data"))).toEqual(running);
    await other.kill();
    await (await start()).stop();
  });

  it("takes no notice of a stale note, not even when another process has that pid now", async () => {
    await writeFile(
      path.join(directory, "data/postmaster.pid"),
      `${process.pid}\n${directory}/data\n1\n1\n\n\n\nready\n`,
    );
    const server = await start();
    expect((await readPostmasterFile(path.join(directory, "data")))?.pid).not.toBe(process.pid);
    await server.stop();
  });

  it("begins anew where an initialisation was cut off", async () => {
    const fresh = path.join(directory, "fresh");
    await mkdir(path.join(fresh, "data.new/base"), { recursive: true });
    const server = await startEmbeddedPostgres({ directory: fresh });
    const sql = await connect(server.url);
    expect((await sql.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await sql.end();
    await server.stop();
  });

  it("says what the server said when it does not start", async () => {
    const holder = await start();
    const other = path.join(directory, "other");
    await expect(startEmbeddedPostgres({ directory: other, port: holder.port })).rejects.toThrow(
      /could not bind IPv4 address "127.0.0.1"/,
    );
    await holder.stop();
    expect(await readFile(path.join(other, "postgres.log"), "utf8")).toContain("FATAL");
  });
});
