import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * The Python of a virtual environment with exactly the requirements in `file`, below `~/.cache/skerry`. It is made once
 * for each content of the file, with packages from PyPI. Rejects where there is no Python or no PyPI.
 */
export async function pythonWith(file: string): Promise<string> {
  const hash = createHash("sha256")
    .update(await readFile(file))
    .digest("hex")
    .slice(0, 12);
  const folder = path.join(homedir(), ".cache/skerry", `python-${hash}`);
  const python = path.join(folder, "bin/python");
  const complete = path.join(folder, "complete");
  if (existsSync(complete)) return python;
  await mkdir(path.dirname(folder), { recursive: true });
  await run("python3", ["-m", "venv", "--clear", folder]);
  await run(python, ["-m", "pip", "install", "--quiet", "--requirement", file], { maxBuffer: 16 * 1_048_576 });
  await writeFile(complete, "");
  return python;
}
