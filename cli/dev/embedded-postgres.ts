import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import {
  findPostgresBinaries,
  postgresOwner,
  runAsPostgresUser,
  type PostgresBinaries,
  type RunAs,
} from "./postgres-binaries.ts";
import { readPostmasterFile, stopLeftover, stopPostmaster, type StopMode } from "./postmaster.ts";

const USER = "skerry";
const SERVICE_USER = "skerry_service";
/** Recovery after a crash reads the log since the last checkpoint first. */
const START_PATIENCE_MS = 60_000;

export interface EmbeddedPostgres {
  /** Of the owner of everything in it. Carries the password: not for logs. */
  readonly url: string;
  /** Of a role that the control plane makes for itself, with a password of its own. */
  readonly serviceUrl: string;
  readonly port: number;
  /** Resolves when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Resolves when the server has ended; `immediate` is a crash, for tests. */
  stop(mode?: StopMode): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Holds `data`, `password` and `service-password` (mode 0600), `owner` and `postgres.log`. Made when missing. */
  readonly directory: string;
  /** 0 or undefined: any free one. */
  readonly port?: number | undefined;
  /** Server settings beyond ours, e.g. `{ fsync: "off" }` in tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts a real PostgreSQL on loopback, whose data lies in `directory`. A new directory is initialised first; a server
 * left over from a killed process is stopped first. The server has a session of its own, so Ctrl-C in the terminal
 * reaches only us and the order of stopping stays ours.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const directory = resolve(options.directory);
  const data = join(directory, "data");
  await mkdir(directory, { recursive: true });
  const binaries = await findPostgresBinaries();
  const runAs = await runAsPostgresUser([binaries.postgres, data]);
  if (await exists(data)) await stopLeftover(data, await ownerOf(directory));
  else await initialise(directory, binaries, runAs);
  const password = (await readFile(join(directory, "password"), "utf8")).trim();
  await writeFile(join(directory, "owner"), String(process.pid));

  const port = options.port || (await freePort());
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    timezone: "UTC",
    log_checkpoints: "off",
    ...options.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const log = await open(join(directory, "postgres.log"), "w");
  const child = start([...runAs.prefix, binaries.postgres, "-D", data, ...flags], runAs, log.fd);
  const exited = new Promise<void>((done) => child.once("exit", () => done()).once("error", () => done()));
  await log.close();
  await untilReady({ child, data, directory, exited });
  const servicePassword = await ownPassword(join(directory, "service-password"));
  return {
    url: `postgresql://${USER}:${password}@127.0.0.1:${port}/postgres`,
    serviceUrl: `postgresql://${SERVICE_USER}:${servicePassword}@127.0.0.1:${port}/postgres`,
    port,
    exited,
    async stop(mode = "fast") {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        await stopPostmaster({ pid: child.pid, dataDirectory: data }, mode);
      await exited;
    },
  };
}

/** The password in the file; made at the first start. */
async function ownPassword(file: string): Promise<string> {
  if (!(await exists(file)))
    await writeFile(file, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  return (await readFile(file, "utf8")).trim();
}

/** Under another name first, so that a killed initdb leaves nothing that looks like a database. */
async function initialise(directory: string, { initdb }: PostgresBinaries, runAs: RunAs): Promise<void> {
  const owner = await postgresOwner();
  const unfinished = join(directory, "data.new");
  const password = join(directory, "password");
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await writeFile(password, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 });
  if (owner) for (const path of [unfinished, password]) await chown(path, owner.uid, owner.gid);
  const flags = [
    "--auth=scram-sha-256",
    `--username=${USER}`,
    `--pwfile=${password}`,
    "--encoding=UTF8",
    "--locale=C",
    "--no-instructions",
  ];
  const [program = initdb, ...args] = [...runAs.prefix, initdb, `--pgdata=${unfinished}`, ...flags];
  await promisify(execFile)(program, args, { ...runAs.user, cwd: "/", env: environment() });
  await rename(unfinished, join(directory, "data"));
}

function start([program = "", ...args]: readonly string[], { user }: RunAs, logFd: number): ChildProcess {
  return spawn(program, args, {
    ...user,
    cwd: "/",
    env: environment(),
    detached: true,
    stdio: ["ignore", logFd, logFd],
  });
}

/** Nothing of ours: PGPORT, PGOPTIONS or a locale would change the server. */
const environment = (): NodeJS.ProcessEnv => ({ PATH: process.env["PATH"] ?? "", LC_ALL: "C" });

async function untilReady(server: {
  child: ChildProcess;
  data: string;
  directory: string;
  exited: Promise<void>;
}): Promise<void> {
  let hasExited = false;
  void server.exited.then(() => (hasExited = true));
  for (let waitedMs = 0; !hasExited && waitedMs < START_PATIENCE_MS; waitedMs += 10) {
    const note = await readPostmasterFile(server.data);
    if (note?.isReady && note.pid === server.child.pid) return;
    await delay(10);
  }
  if (!hasExited && server.child.pid !== undefined)
    await stopPostmaster({ pid: server.child.pid, dataDirectory: server.data }, "fast");
  const log = await readFile(join(server.directory, "postgres.log"), "utf8");
  throw new Error(`PostgreSQL did not start in ${server.data}:\n${log.trim().split("\n").slice(-5).join("\n")}`);
}

async function ownerOf(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, "owner"), "utf8").catch(() => "");
  return text === "" ? undefined : Number(text);
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      server.close(() => done(port));
    });
  });
}
