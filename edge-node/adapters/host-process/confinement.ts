import { execFile } from "node:child_process";
import { existsSync } from "node:fs";

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
}

/** Of a host that is started as it is. */
export const UNCONFINED: Confinement = { prefix: [], measures: [] };

/** A network of its own without a way out: as root, or else as the same user of a user namespace. */
const WITHOUT_NETWORK = [
  ["unshare", "--net", "--"],
  ["unshare", "--user", "--map-current-user", "--net", "--"],
] as const;
const NO_NEW_PRIVILEGES = ["setpriv", "--no-new-privs", "--"] as const;

/**
 * What this machine lets the node do to its model hosts, found out by doing it to a program that does nothing. It needs no
 * rights: what is not allowed here, as namespaces in many containers, is reported as not active.
 */
export async function findConfinement(): Promise<Confinement> {
  const hasShell = existsSync(SHELL);
  const [alone, noPrivileges, canRaise] = await Promise.all([
    firstThatWorks(WITHOUT_NETWORK),
    firstThatWorks([NO_NEW_PRIVILEGES]),
    works(["prlimit", "--pid", String(process.pid)], []),
  ]);
  const uid = process.getuid?.();
  const measure = (what: string, isActive: boolean, how: string): Measure => ({ what, isActive, how });
  return {
    prefix: hasShell ? [...(alone ?? []), ...(noPrivileges ?? [])] : [],
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
        uid !== 0,
        uid === 0
          ? "the node runs as root, and hosts as its user: run it as a service or a container with a user of its own"
          : `uid ${uid ?? "unknown"}`,
      ),
    ],
  };
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
