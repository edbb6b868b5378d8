import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const DECLARED = ["package.json", "package-lock.json"] as const;

/**
 * A copy of `script`, which lies beside a package.json and its lock, below `~/.cache/skerry` with exactly those packages
 * of npm. They are installed once for each content of the lock, and run no scripts. Rejects where there is no registry.
 */
export async function scriptWithPackages(script: string): Promise<string> {
  const from = path.dirname(script);
  const lock = await readFile(path.join(from, "package-lock.json"));
  const hash = createHash("sha256").update(lock).digest("hex").slice(0, 12);
  const folder = path.join(homedir(), ".cache/skerry", `npm-${hash}`);
  const complete = path.join(folder, "complete");
  await mkdir(folder, { recursive: true });
  if (!existsSync(complete)) {
    for (const file of DECLARED) await copyFile(path.join(from, file), path.join(folder, file));
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
    await writeFile(complete, "");
  }
  const copy = path.join(folder, path.basename(script));
  await copyFile(script, copy);
  return copy;
}
