import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { asUser, type HostUser, openStateFolder } from "./host-user.ts";

/** A POSIX shell, which sets limits before the first line of a host runs. */
const SHELL = "/bin/sh";
const TRY_MS = 5_000;

/** One thing that keeps a model inside its process. */
export interface Measure {
  readonly what: string;
  readonly isActive: boolean;
  /** By what, or why not. */
  readonly how: string;
}

export interface Confinement {
  /** Words before the command of a host: each program sets something for good and becomes the next one. */
  readonly prefix: readonly string[];
  readonly measures: readonly Measure[];
  /** Whom they run as; undefined: as the node does. */
  readonly user?: HostUser | undefined;
}

export interface ConfinementParts {
  /** Whom hosts run as where the node runs as root; 0 or undefined: as root. */
  readonly hostUid?: number;
  /** The node's own folder, which is made ready for that user. */
  readonly stateDir?: string;
  /** In place of it: a folder below which nodes have theirs. */
  readonly below?: string | undefined;
}

/** Of a host that is started as it is. */
export const UNCONFINED: Confinement = { prefix: [], measures: [] };

/** A network of its own without a way out: as root, or else as the same user of a user namespace. */
const WITHOUT_NETWORK = [
  ["unshare", "--net", "--"],
  ["unshare", "--user", "--map-current-user", "--net", "--"],
] as const;
const NO_NEW_PRIVILEGES = ["setpriv", "--no-new-privs", "--"] as const;
/** A program of a host, which its user has to be able to read. */
const PROGRAM = path.join(import.meta.dirname, "../../../model-host/main.ts");

/**
 * What this machine lets the node do to its model hosts, found out by doing it to a program that does nothing. It needs no
 * rights: what is not allowed here, as namespaces in many containers, is reported as not active.
 */
export async function findConfinement(parts: ConfinementParts = {}): Promise<Confinement> {
  const hasShell = existsSync(SHELL);
  const uid = process.getuid?.();
  const [alone, noPrivileges, canRaise, found] = await Promise.all([
    firstThatWorks(WITHOUT_NETWORK),
    firstThatWorks([NO_NEW_PRIVILEGES]),
    works(["prlimit", "--pid", String(process.pid)], []),
    uid === 0 && hasShell ? findUser(parts) : undefined,
  ]);
  const user = found?.user;
  const drop = user === undefined ? (noPrivileges ?? []) : asUser(user);
  const measure = (what: string, isActive: boolean, how: string): Measure => ({ what, isActive, how });
  return {
    prefix: hasShell ? [...(alone ?? []), ...drop] : [],
    user,
    measures: [
      measure(
        "process of its own",
        true,
        "a child for each loaded version, or for several that share one; SIGKILL at its deadline",
      ),
      measure("environment", true, "an allow-list without secrets, proxies and NODE_OPTIONS"),
      measure("working directory", true, "empty, mode 0500"),
      measure("files", true, "its own user reads the model's folder; bundles hold listed files only"),
      measure(
        "limits of memory, open files, file size, core files",
        hasShell,
        hasShell ? "ulimit, before it starts" : `there is no ${SHELL}`,
      ),
      measure(
        "failing allocations in place of a kill",
        canRaise,
        canRaise ? "prlimit" : "prlimit of util-linux is not here",
      ),
      measure(
        "no new privileges",
        hasShell && noPrivileges !== undefined,
        noPrivileges ? "setpriv" : "setpriv of util-linux is not here",
      ),
      measure(
        "no network",
        hasShell && alone !== undefined,
        alone ? alone.slice(0, -1).join(" ") : "this user may make no network namespace: forbid it by a network policy",
      ),
      measure(
        "user without rights",
        uid !== 0 || user !== undefined,
        user === undefined ? (found?.why ?? `uid ${uid ?? "unknown"}, as the node`) : `uid ${user.uid}, not the node's`,
      ),
    ],
  };
}

/** The user of hosts, tried: it has to be able to read Skerry's files and to enter the state folder. */
async function findUser({
  hostUid,
  stateDir,
  below,
}: ConfinementParts): Promise<{ readonly user?: HostUser; readonly why: string }> {
  const instead = "run the node as a service or a container with a user of its own";
  if (hostUid === undefined || hostUid === 0)
    return { why: `the node runs as root, and hosts as its user: ${instead}` };
  const user = { uid: hostUid, gid: hostUid };
  if (stateDir !== undefined) await openStateFolder(user, { stateDir, workDirectory: path.join(stateDir, "work") });
  const folder = stateDir ?? below;
  const can = (test: string, file: string): Promise<boolean> => works(asUser(user), ["test", test, file]);
  if (!(await works(asUser(user), ["true"])))
    return { why: `the node runs as root and may not become uid ${hostUid} (setpriv): ${instead}` };
  for (const [test, file] of [
    ["-x", process.execPath],
    ["-r", PROGRAM],
    ...(folder === undefined ? [] : [["-x", folder] as const]),
  ] as const)
    if (!(await can(test, file)))
      return {
        why: `the node runs as root, and uid ${hostUid} cannot reach ${file}: ${instead}, or move it to a folder that others can enter`,
      };
  return { user, why: "" };
}

async function firstThatWorks(candidates: readonly (readonly string[])[]): Promise<readonly string[] | undefined> {
  for (const candidate of candidates) if (await works(candidate, ["true"])) return candidate;
  return undefined;
}

/** Started as a host is: by the shell, with an environment that names no path. */
function works(words: readonly string[], more: readonly string[]): Promise<boolean> {
  const args = ["-c", 'exec "$@"', "confinement", ...words, ...more];
  return new Promise((resolve) => {
    execFile(SHELL, args, { timeout: TRY_MS, env: {} }, (error) => resolve(error === null));
  });
}
