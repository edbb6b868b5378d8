import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

const contextEntry = z.strictObject({ server: z.url(), apiKey: z.string().optional(), ca: z.string().optional() });
const configFile = z.strictObject({
  current: z.string().nullable().default(null),
  contexts: z.record(z.string(), contextEntry).default({}),
});

/** What `skerry login` remembers: named servers with their keys, and which of them is meant by default. */
export type Config = z.infer<typeof configFile>;

const emptyConfig: Config = { current: null, contexts: {} };

/** `~/.config/skerry/config.json`, or where SKERRY_CONFIG or XDG_CONFIG_HOME puts it. */
export function configPath(env: NodeJS.ProcessEnv): string {
  return env["SKERRY_CONFIG"] ?? join(env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "skerry", "config.json");
}

/** Reads the file; a missing one is an empty one. */
export async function readConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (Error.isError(error) && "code" in error && error.code === "ENOENT") return emptyConfig;
    throw error;
  }
  try {
    return configFile.parse(JSON.parse(text));
  } catch (error) {
    throw new CliFailure(EXIT.error, {
      what: `${path} is not a configuration of skerry`,
      why: [whyNot(error)],
      fix: "correct it, or delete it and run `skerry login` again",
    });
  }
}

/** Writes the file whole, readable by its owner alone: it holds keys. */
export async function writeConfig(path: string, config: Config): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(config, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await rename(temporary, path);
    await chmod(path, 0o600);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function whyNot(error: unknown): string {
  if (error instanceof z.ZodError)
    return error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
  return Error.isError(error) ? error.message : String(error);
}
