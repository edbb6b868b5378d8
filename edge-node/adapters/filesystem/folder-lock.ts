import { open, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { SkerryError } from "../../../shared/base/errors.ts";
import { codeOf, unlessMissing } from "./durable.ts";

const holderSchema = z.object({ pid: z.number().int(), startedAt: z.string(), host: z.string(), folder: z.string() });
type Holder = z.infer<typeof holderSchema>;

/** Two that find the same stale lock at one moment take turns; more tries than that mean that somebody else wins. */
const TRIES = 5;

/**
 * Makes this process the only one on this machine that uses the state folder, by a file with its process id. Returns the way
 * to release it. The file of a process that was killed is taken over: no such process runs, or the one that has its id now
 * started at another time; so is a file that was copied with its folder. Throws `CONFLICT` with the holder's process id.
 */
export async function lockFolder(stateDir: string): Promise<() => Promise<void>> {
  const file = join(stateDir, "node.lock");
  const self: Holder = {
    pid: process.pid,
    startedAt: (await startOf(process.pid)) ?? "",
    host: hostname(),
    folder: stateDir,
  };
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    if (await create(file, JSON.stringify(self))) return () => rm(file, { force: true });
    const holder = await read(file);
    if (holder?.folder === stateDir && (await isRunning(holder))) throw inUse(stateDir, holder);
    await rm(file, { force: true });
  }
  throw new SkerryError("CONFLICT", `${file} cannot be taken: other processes start in this folder at the same time`);
}

async function create(file: string, text: string): Promise<boolean> {
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Undefined when it is gone, or was cut short by a crash. */
async function read(file: string): Promise<Holder | undefined> {
  const text = await unlessMissing(readFile(file, "utf8"));
  try {
    return holderSchema.parse(JSON.parse(text ?? ""));
  } catch {
    return undefined;
  }
}

/** Of another machine or container nothing is known: the control plane notices two that run. */
async function isRunning({ pid, startedAt, host }: Holder): Promise<boolean> {
  if (host !== hostname() || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== "EPERM") return false;
  }
  const nowStartedAt = await startOf(pid);
  return nowStartedAt === undefined || startedAt === "" || nowStartedAt === startedAt;
}

/** When a process started, in ticks since the machine did; undefined where the system has no `/proc`. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name in the second field may hold spaces and brackets.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

const inUse = (stateDir: string, { pid }: Holder): SkerryError =>
  new SkerryError(
    "CONFLICT",
    `${stateDir} is in use by the node with process id ${pid}. Stop that one, or give this node a folder of its own (SKERRY_STATE_DIR)`,
  );
