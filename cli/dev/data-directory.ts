import { readFileSync } from "node:fs";
import { chmod, link, mkdir, readdir, readFile, rm, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isAlive, readRunning, RUNNING_FILE } from "../config/dev-directory.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

/** Tells that a folder was made by `skerry dev`, so that `--fresh` never wipes anything else. */
const MARKER_FILE = "made-by-skerry-dev";
const MARKER = "Everything here was made by `skerry dev` and may be wiped by `skerry dev --fresh`.\n";

export interface DataDirectory {
  readonly path: string;
  /** True when there is data of an earlier start. */
  readonly isUsed: boolean;
  /** True when the earlier start did not end in order: its processes may still be about to end. */
  readonly wasKilled: boolean;
  /** Tells other commands where we answer. */
  announce(server: string): Promise<void>;
  release(): Promise<void>;
}

/** Takes the folder for this process. Refuses while another `skerry dev` uses it, and a folder that is not ours. */
export async function claimDirectory(
  path: string,
  options: { readonly beforeWipe: ((path: string) => Promise<void>) | null },
): Promise<DataDirectory> {
  const before = await contents(path);
  const isOurs = before.includes(MARKER_FILE);
  if (before.length > 0 && !isOurs) {
    throw new CliFailure(EXIT.error, {
      what: `${path} was not made by \`skerry dev\``,
      why: [`it holds ${before.slice(0, 3).join(", ")}${before.length > 3 ? " …" : ""}, but no ${MARKER_FILE}`],
      fix: "name another folder with --dir, or move this one away",
    });
  }
  await mkdir(path, { recursive: true });
  // Others may pass through but not look: when we are root, PostgreSQL runs as another user, in a folder below.
  await chmod(path, 0o711);
  await writeFile(join(path, MARKER_FILE), MARKER);
  const wasKilled = await lock(path);
  if (options.beforeWipe !== null) {
    await options.beforeWipe(path);
    await wipe(path);
  }
  return {
    path,
    isUsed: options.beforeWipe === null && before.some((name) => name !== MARKER_FILE && name !== RUNNING_FILE),
    wasKilled,
    announce: (server) => writeFile(join(path, RUNNING_FILE), lockText(server), { mode: 0o600 }),
    release: () => rm(join(path, RUNNING_FILE), { force: true }),
  };
}

/** Returns whether a lock of a process that is gone had to be removed. */
async function lock(path: string): Promise<boolean> {
  const file = join(path, RUNNING_FILE);
  for (let wasKilled = false; ; wasKilled = true) {
    try {
      await createWhole(file, lockText(""));
      return wasKilled;
    } catch (error) {
      if (!Error.isError(error) || !("code" in error) || error.code !== "EEXIST") throw error;
    }
    const holder = readRunning(path);
    if (holder !== null && isAlive(holder.pid) && bootOf(holder.pid) === (await readFile(file, "utf8").then(startOf))) {
      throw new CliFailure(EXIT.error, {
        what: `a \`skerry dev\` uses ${path} already`,
        why: [`process ${holder.pid}, since ${holder.startedAt}${holder.server === "" ? "" : `, at ${holder.server}`}`],
        fix: `end it with Ctrl-C or \`kill ${holder.pid}\`, or start this one with another --dir, --port and --node-ports`,
      });
    }
    await unlink(file).catch(() => {});
  }
}

/** Creates a file with its content in one step, or fails with EEXIST: nobody ever reads half a lock. */
async function createWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text, { mode: 0o600 });
  try {
    await link(temporary, file);
  } finally {
    await unlink(temporary);
  }
}

function lockText(server: string): string {
  return `${JSON.stringify({ pid: process.pid, server, startedAt: new Date().toISOString(), start: bootOf(process.pid) })}\n`;
}

function startOf(text: string): string {
  const value: unknown = JSON.parse(text);
  return typeof value === "object" && value !== null && "start" in value ? String(value.start) : "";
}

/**
 * When a process was started, in the kernel's ticks: after a crash its number may belong to another program. Empty
 * where there is no /proc; then the number alone decides.
 */
function bootOf(pid: number): string {
  try {
    // The name, in parentheses, may hold spaces; the start time is the 20th field behind it.
    return (
      readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ")[19] ?? ""
    );
  } catch {
    return "";
  }
}

async function contents(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => null);
  if (found === null) return [];
  if (!found.isDirectory())
    throw new CliFailure(EXIT.error, { what: `${path} is not a folder`, fix: "name another one with --dir" });
  return readdir(path);
}

async function wipe(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (name !== MARKER_FILE && name !== RUNNING_FILE) await rm(join(path, name), { recursive: true, force: true });
  }
}
