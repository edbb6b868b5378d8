import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * The Python of a virtual environment with exactly these requirements, in the machine's temporary folder. Made once for
 * each content of the file: the packages come from PyPI, some 200 MB of them.
 */
export async function pythonWith(requirements: string): Promise<string> {
  const file = path.join(import.meta.dirname, requirements);
  const hash = createHash("sha256")
    .update(await readFile(file))
    .digest("hex")
    .slice(0, 12);
  const folder = path.join(tmpdir(), `skerry-clients-${hash}`);
  const python = path.join(folder, "bin/python");
  const complete = path.join(folder, "complete");
  if (existsSync(complete)) return python;
  await run("python3", ["-m", "venv", "--clear", folder]);
  await run(python, ["-m", "pip", "install", "--quiet", "--requirement", file], { maxBuffer: 16 * 1_048_576 });
  await writeFile(complete, "");
  return python;
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Rejects when it cannot be started. */
export async function ended(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { timeout: 120_000, cwd: import.meta.dirname }, (error, stdout, stderr) => {
      if (error && typeof error.code !== "number" && error.code !== undefined) return reject(error);
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
  });
}
