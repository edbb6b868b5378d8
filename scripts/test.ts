import { globSync } from "node:fs";
import { join } from "node:path";
import { run } from "jest";
import { COMPILE_CACHE } from "../test/support/processes/compile-cache.ts";
import { pythonWith } from "../test/support/processes/engines/python-environment.ts";
import { SUITES } from "./suites.ts";

/** Suites that need every Python environment of their folder: made before Jest starts, because a hook has ten minutes. */
const IN_PYTHON: ReadonlySet<string> = new Set(["api-fuzz", "clients", "pipelines", "zoo"]);

// `npm test`, or with `--suite=faults` one of the long suites. All other arguments go to Jest: `npm test -- test/unit`.
const root = join(import.meta.dirname, "..");
const flag = "--suite=";
const args = process.argv.slice(2);
const suite = args.find((arg) => arg.startsWith(flag))?.slice(flag.length) ?? "test";
const patterns = SUITES[suite];

if (patterns === undefined) {
  console.error(`There is no suite ${suite}: choose one of ${Object.keys(SUITES).join(", ")}.`);
  process.exitCode = 1;
} else if (globSync(patterns, { cwd: root }).length === 0) {
  console.log(`The suite ${suite} holds no tests yet.\n0 passed, 0 failed`);
} else if (await isPythonReady()) {
  // The globs come last: Jest takes everything after --testMatch for a glob.
  const jestArgs = args.filter((arg) => !arg.startsWith(flag));
  // One file at a time: a burst that fills the machine would look like a fault to the test beside it.
  if (["console", "faults", "kubernetes", "load", "object-store"].includes(suite)) jestArgs.unshift("--maxWorkers=1");
  // Many a test starts a model's process, which takes a minute where the machine is busy.
  if (suite === "processes") jestArgs.unshift("--testTimeout=120000");
  // Of workers, and of the programs that tests start with their environment.
  process.env["NODE_COMPILE_CACHE"] ??= COMPILE_CACHE;
  await run([...jestArgs, "--testMatch", ...patterns.map((pattern) => `<rootDir>/${pattern}`)], root);
}

/** Says why on standard error when it is not, and sets the exit code. */
async function isPythonReady(): Promise<boolean> {
  if (!IN_PYTHON.has(suite)) return true;
  for (const file of globSync(`test/${suite}/requirements*.txt`, { cwd: root })) {
    console.error(`Python packages of ${file}: from ~/.cache/skerry, where they are put from PyPI the first time`);
    try {
      await pythonWith(join(root, file));
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
      return false;
    }
  }
  return true;
}
