import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const POLL_MS = 20;
/** What PostgreSQL understands: `fast` ends sessions and writes a checkpoint, `immediate` is a crash with recovery on the next start. */
const SIGNALS = { fast: "SIGINT", immediate: "SIGQUIT" } as const;
export type StopMode = keyof typeof SIGNALS;

/** What a running server writes into its data directory. */
export interface PostmasterFile {
  readonly pid: number;
  readonly isReady: boolean;
}

/** The server's own note of itself; undefined when there is none. It may be left over from one that is long gone. */
export async function readPostmasterFile(dataDirectory: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(join(dataDirectory, "postmaster.pid"), "utf8").catch(() => undefined);
  const lines = text?.split("\n");
  const pid = Number(lines?.[0]);
  if (!lines || !Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, isReady: lines[7]?.trim() === "ready" };
}

/**
 * Ends a server that outlived the process that started it (`kill -9`), so that the directory can be used again. Throws
 * when that process is alive: then the directory is in use. A stale note, whose pid may be anybody's by now, is removed.
 */
export async function stopLeftover(dataDirectory: string, ownerPid: number | undefined): Promise<void> {
  const note = await readPostmasterFile(dataDirectory);
  if (!note) return;
  const found = await look(note.pid);
  if (!found?.command.includes(dataDirectory) || !found.command.includes("postgres")) {
    await rm(join(dataDirectory, "postmaster.pid"), { force: true });
    return;
  }
  // An orphan's parent is init or a subreaper: while the parent is the one who started it, that one is alive.
  if (found.parent === ownerPid) {
    throw new Error(
      `${dataDirectory} is in use by process ${ownerPid}: stop that one first, or choose another directory`,
    );
  }
  await stopPostmaster({ pid: note.pid, dataDirectory }, "fast");
}

/** Signals the server and waits until it is gone; harder signals follow when it takes too long. */
export async function stopPostmaster(
  { pid, dataDirectory }: { pid: number; dataDirectory: string },
  mode: StopMode,
): Promise<void> {
  const attempts = [
    [SIGNALS[mode], 10_000],
    ["SIGQUIT", 5_000],
    ["SIGKILL", 5_000],
  ] as const;
  for (const [signal, timeoutMs] of attempts) {
    if (!kill(pid, signal)) return;
    for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += POLL_MS) {
      await delay(POLL_MS);
      // An orphan may stay a zombie until init looks: removing its note is the last thing that a server does.
      if (!kill(pid, 0) || (await readPostmasterFile(dataDirectory))?.pid !== pid) return;
    }
  }
  throw new Error(`PostgreSQL (process ${pid}) does not end`);
}

/** False when there is no such process. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

async function look(pid: number): Promise<{ parent: number; command: string } | undefined> {
  try {
    if (process.platform === "linux") {
      const [status, command] = await Promise.all([
        readFile(`/proc/${pid}/stat`, "utf8"),
        readFile(`/proc/${pid}/cmdline`, "utf8"),
      ]);
      const [, parent] = status.slice(status.lastIndexOf(")") + 2).split(" ");
      return { parent: Number(parent), command: command.replaceAll("\0", " ") };
    }
    const { stdout } = await promisify(execFile)("ps", ["-ww", "-o", "ppid=,args=", "-p", String(pid)]);
    const [, parent, command] = /^\s*(\d+)\s+(.*)/s.exec(stdout) ?? [];
    return command === undefined ? undefined : { parent: Number(parent), command };
  } catch {
    return undefined;
  }
}
