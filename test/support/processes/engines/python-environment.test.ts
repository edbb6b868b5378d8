import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { pythonWith } from "./python-environment.ts";

let folder: string;
let requirements: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-python-"));
  requirements = path.join(folder, "requirements.txt");
  await writeFile(requirements, "nothing==1.0\n");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A program in the place of Python, which makes an environment whose Python is this script again. */
async function standIn(script: string): Promise<string> {
  const file = path.join(folder, "python3");
  await writeFile(
    file,
    `#!/bin/sh\ncase "$*" in "-m venv "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python";; *) ${script};; esac\n`,
  );
  await chmod(file, 0o755);
  return file;
}
const cache = (): string => path.join(folder, "cache");

describe("the making of a Python environment", () => {
  it("makes it once for each content of the file", async () => {
    const systemPython = await standIn(`echo made >> ${folder}/made`);
    const made = await pythonWith(requirements, { cache: cache(), systemPython });
    expect(await pythonWith(requirements, { cache: cache(), systemPython: "not-there" })).toBe(made);
    await writeFile(requirements, "nothing==2.0\n");
    expect(await pythonWith(requirements, { cache: cache(), systemPython })).not.toBe(made);
    expect(await readdir(cache())).toHaveLength(2);
  });

  it("rejects at its deadline, and makes it anew the next time", async () => {
    const systemPython = await standIn("sleep 60");
    const late = pythonWith(requirements, { cache: cache(), systemPython, deadlineMs: 300 });
    await expect(late).rejects.toThrow(/requirements\.txt was not made in .*: it took too long/);
    const made = await pythonWith(requirements, { cache: cache(), systemPython: await standIn("exit 0") });
    expect(made).toMatch(/bin\/python$/);
  });

  it("rejects with what pip said", async () => {
    const systemPython = await standIn("echo 'ERROR: No matching distribution found for nothing' >&2; exit 1");
    await expect(pythonWith(requirements, { cache: cache(), systemPython })).rejects.toThrow(
      "ERROR: No matching distribution found",
    );
  });

  it("says that there is no Python", async () => {
    await expect(pythonWith(requirements, { cache: cache(), systemPython: "no-python-here" })).rejects.toThrow(
      "there is no python3 here",
    );
  });
});
