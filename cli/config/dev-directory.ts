import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

/** Name of the folder in which `skerry dev` keeps its data. */
export const DEV_DIRECTORY = ".skerry";
/** Says which process of `skerry dev` uses the folder and where it answers. */
export const RUNNING_FILE = "running.json";
export const ADMIN_KEY_FILE = "admin.key";

/** `server` is empty until the ports are known. */
const runningFile = z.object({ pid: z.number().int().positive(), server: z.string(), startedAt: z.string() });
export type RunningDev = z.infer<typeof runningFile>;

export interface DevTarget {
  readonly directory: string;
  readonly server: string;
  readonly apiKey: string | undefined;
}

/** The `skerry dev` that runs in the nearest `.skerry/`, looking upward from `from`; null when none does. */
export function findRunningDev(from: string): DevTarget | null {
  for (let at = from; ; at = dirname(at)) {
    const directory = join(at, DEV_DIRECTORY);
    const running = isDirectory(directory) ? readRunning(directory) : null;
    if (running !== null && running.server !== "" && isAlive(running.pid))
      return { directory, server: running.server, apiKey: readKey(directory) };
    if (dirname(at) === at) return null;
  }
}

/** What the folder says about the process that uses it; null when there is nothing readable. */
export function readRunning(directory: string): RunningDev | null {
  try {
    return runningFile.parse(JSON.parse(readFileSync(join(directory, RUNNING_FILE), "utf8")));
  } catch {
    return null;
  }
}

/** True while the process exists. A number that the system has given to another program counts as alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return Error.isError(error) && "code" in error && error.code === "EPERM";
  }
}

/** The admin key of a dev folder; undefined when the file is not there (yet). */
function readKey(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, ADMIN_KEY_FILE), "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
