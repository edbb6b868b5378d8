import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { configPath, readConfig } from "../config/config-file.ts";
import { findRunningDev } from "../config/dev-directory.ts";
import { DEV_CONTEXT } from "../config/resolve-target.ts";
import type { CommandContext } from "../run.ts";
import type { NameKind } from "./places.ts";

/** Names that a person presses Tab for again and again. */
const FRESH_MS = 10_000;
/** Old names are better than none while the server is away. */
const STALE_MS = 3_600_000;
/** Tab that waits longer looks broken. */
const DEADLINE_MS = 700;

const LISTS: Readonly<Record<Exclude<NameKind, "contexts">, string>> = {
  nodes: "/api/v1/nodes",
  models: "/api/v1/models",
  deployments: "/api/v1/deployments",
  pools: "/api/v1/cloud-pools",
};

const kept = z.object({ at: z.number(), names: z.array(z.string()) });
type Kept = z.infer<typeof kept>;
const page = z.looseObject({ items: z.array(z.looseObject({ name: z.string() })) });

/** Shells expand the words of a list: a name that could be more than a word is left out. */
const WORD = /^[A-Za-z0-9][A-Za-z0-9._:-]*$/;

/** Names of objects for the shell: kept for 10 s, within 0.7 s or as they were last, without a word of error. */
export async function namesFor(run: CommandContext, kind: NameKind): Promise<readonly string[]> {
  const names = kind === "contexts" ? await contexts(run) : await objects(run, kind);
  return names.filter((name) => WORD.test(name));
}

async function contexts({ processEnv: { env, cwd } }: CommandContext): Promise<readonly string[]> {
  const config = await readConfig(configPath(env)).catch(() => undefined);
  const dev = findRunningDev(cwd) === null ? [] : [DEV_CONTEXT];
  return [...new Set([...Object.keys(config?.contexts ?? {}), ...dev])];
}

async function objects(run: CommandContext, kind: keyof typeof LISTS): Promise<readonly string[]> {
  const target = await run.target().catch(() => undefined);
  if (target === undefined) return [];
  const file = fileFor(run.processEnv.env, `${target.server} ${target.apiKey ?? ""} ${kind}`);
  const before = await read(file);
  if (before !== undefined && Date.now() - before.at < FRESH_MS) return before.names;
  try {
    const api = run.apiFor(target);
    const answer = await api.call("GET", LISTS[kind], { query: { limit: 500 }, timeoutMs: DEADLINE_MS });
    const names = page.parse(answer.body).items.map(({ name }) => name);
    await write(file, { at: Date.now(), names });
    return names;
  } catch {
    return before !== undefined && Date.now() - before.at < STALE_MS ? before.names : [];
  }
}

/** The file's name says nothing of the server or the key. */
function fileFor(env: NodeJS.ProcessEnv, of: string): string {
  const folder = join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "skerry", "names");
  return join(folder, `${createHash("sha256").update(of).digest("hex").slice(0, 32)}.json`);
}

async function read(file: string): Promise<Kept | undefined> {
  try {
    return kept.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    return undefined;
  }
}

/** A folder that cannot be written is no obstacle: the next Tab asks again. */
async function write(file: string, names: Kept): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const temporary = `${file}.${process.pid}.tmp`;
    await writeFile(temporary, JSON.stringify(names), { mode: 0o600 });
    await rename(temporary, file);
  } catch {
    return;
  }
}
