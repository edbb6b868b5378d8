import { execFile, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { postgresOwner, runAsPostgresUser } from "../../../cli/dev/postgres-binaries.ts";
import { freePort, until } from "../processes/skerry-process.ts";

const run = promisify(execFile);
const VERSIONS = "/usr/lib/postgresql";

/** The folder of the newest PostgreSQL that Debian has installed, with pg_dump of its version; undefined without one. */
export function debianPostgres(): string | undefined {
  try {
    const [newest] = readdirSync(VERSIONS).toSorted((a, b) => Number(b) - Number(a));
    if (newest === undefined) return undefined;
    const bin = path.join(VERSIONS, newest, "bin");
    const files = readdirSync(bin);
    return ["initdb", "postgres", "pg_dump", "pg_restore"].every((name) => files.includes(name)) ? bin : undefined;
  } catch {
    return undefined;
  }
}

export interface DebianPostgres {
  /** Makes an empty database and resolves with its URL. */
  database(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts the server in `bin` on loopback, as an installation from packages would: as the user postgres. */
export async function startDebianPostgres(bin: string): Promise<DebianPostgres> {
  const directory = await mkdtemp(path.join(tmpdir(), "skerry-debian-postgres-"));
  const owner = await postgresOwner();
  if (owner) await chown(directory, owner.uid, owner.gid);
  const data = path.join(directory, "data");
  const { prefix, user } = await runAsPostgresUser([path.join(bin, "postgres"), data]);
  const command = (program: string, args: readonly string[]): [string, readonly string[]] => {
    const [first = program, ...rest] = [...prefix, path.join(bin, program), ...args];
    return [first, rest];
  };
  await run(...command("initdb", [`--pgdata=${data}`, "--username=skerry", "--auth=trust", "--no-sync"]), {
    ...user,
    cwd: directory,
  });
  const port = await freePort();
  const settings = [`port=${port}`, "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"];
  const child = spawn(...command("postgres", ["-D", data, ...settings.flatMap((each) => ["-c", each])]), {
    ...user,
    cwd: directory,
    stdio: "ignore",
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const urlOf = (name: string): string => `postgresql://skerry@127.0.0.1:${port}/${name}`;
  const ask = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: urlOf("postgres") });
    client.on("error", () => undefined);
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  const stop = async (): Promise<void> => {
    child.kill("SIGINT");
    await exited;
    await rm(directory, { recursive: true, force: true });
  };
  const isUp = (): Promise<boolean> =>
    ask("SELECT 1").then(
      () => true,
      () => false,
    );
  try {
    await until("PostgreSQL answers", isUp);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    stop,
    async database(name) {
      await ask(`CREATE DATABASE ${name}`);
      return urlOf(name);
    },
  };
}
