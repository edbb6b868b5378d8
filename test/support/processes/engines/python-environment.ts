import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Some environments are 2 GB, and others may keep the machine and the way to PyPI busy. */
const MAKE_MS = 45 * 60_000;

interface Making {
  /** Folder in which environments are kept. */
  readonly cache?: string;
  readonly deadlineMs?: number;
  /** The program that makes environments. */
  readonly systemPython?: string;
}

/**
 * The Python of a virtual environment with exactly the requirements in `file`, below `~/.cache/skerry`. It is made once
 * for each content of the file, with packages from PyPI. Rejects where there is no Python or no PyPI, and when it is not made
 * by the deadline: no hook of Jest should be that long, so suites make theirs before Jest starts (`scripts/test.ts`).
 */
export async function pythonWith(
  file: string,
  { cache = path.join(homedir(), ".cache/skerry"), deadlineMs = MAKE_MS, systemPython = "python3" }: Making = {},
): Promise<string> {
  const hash = createHash("sha256")
    .update(await readFile(file))
    .digest("hex")
    .slice(0, 12);
  const folder = path.join(cache, `python-${hash}`);
  const python = path.join(folder, "bin/python");
  const complete = path.join(folder, "complete");
  if (existsSync(complete)) return python;
  await mkdir(cache, { recursive: true });
  const options = { maxBuffer: 16 * 1_048_576, signal: AbortSignal.timeout(deadlineMs) };
  try {
    await run(systemPython, ["-m", "venv", "--clear", folder], options);
    await run(python, ["-m", "pip", "install", "--quiet", "--requirement", file], options);
  } catch (error) {
    throw new Error(`the Python environment for ${file} was not made in ${folder}: ${whyNot(error, options.signal)}`, {
      cause: error,
    });
  }
  await writeFile(complete, "");
  return python;
}

/** What pip says stands at the end of it. */
function whyNot(error: unknown, { aborted: isLate }: AbortSignal): string {
  if (isLate) return "it took too long. Start it again: pip goes on with the packages that it has in its cache";
  if (!Error.isError(error)) return String(error);
  if ("code" in error && error.code === "ENOENT")
    return "there is no python3 here; install Python with its module venv";
  const said = "stderr" in error ? String(error.stderr).trim().split("\n").slice(-5).join("\n") : "";
  return said === "" ? error.message : said;
}
