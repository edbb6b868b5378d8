/**
 * Runs a program of this repository on its own Node: `node scripts/run.mjs cli/main.mjs dev`. Installs and generates first
 * what is missing, so that `npm start` in a fresh clone is the only command. Plain JavaScript, because the machine's node
 * may be 20.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "..");
const at = (path) => join(root, path);
const node = at("node_modules/.bin/node");

if (!isInstalled()) install();
if (!isGenerated()) generate();
if (process.argv.includes("dev")) buildConsole();
run(process.argv.slice(2));

/** By content, not by age: a checkout gives package-lock.json a new time without changing it. */
function isInstalled() {
  if (!existsSync(node) || !existsSync(at("node_modules/.package-lock.json"))) return false;
  const wanted = JSON.parse(readFileSync(at("package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(at("node_modules/.package-lock.json"), "utf8")).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const found = installed[path];
    return found === undefined ? entry.optional || entry.devOptional : found.version === entry.version;
  });
}

function install() {
  console.error("node_modules does not match package-lock.json: running npm ci, which takes about a minute.");
  // NODE_ENV=production would leave out what generates the database client.
  const npm = spawnSync("npm", ["ci", "--include=dev"], {
    cwd: root,
    env: installEnv(),
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (npm.status !== 0) fail(`npm ci failed.\n${npm.error?.message ?? `${npm.stdout}${npm.stderr}`}`);
  if (!existsSync(node)) fail("npm ci ran no install scripts, so Node 24 is missing: npm config get ignore-scripts");
}

function installEnv() {
  const env = { ...process.env };
  // npm ci deletes node_modules, and with it the node that npm run puts first on the path.
  env.PATH = env.PATH?.split(delimiter)
    .filter((folder) => !folder.endsWith(join("node_modules", ".bin")))
    .join(delimiter);
  for (const name of Object.keys(env)) if (/^npm_(lifecycle|package|node)_|^NODE$/.test(name)) delete env[name];
  // npm before 11 does not know allowScripts; both install scripts would download what we do not use.
  return { ...env, ONNXRUNTIME_NODE_INSTALL: "skip", PRISMA_SCHEMA_ENGINE_BINARY: process.execPath };
}

function isGenerated() {
  const [schema, client] = ["prisma/schema.prisma", "prisma/generated/client.ts"].map((path) =>
    statSync(at(path), { throwIfNoEntry: false }),
  );
  return schema === undefined || (client !== undefined && client.mtimeMs >= schema.mtimeMs);
}

function generate() {
  const { status } = spawnSync(node, [at("scripts/generate-prisma.mjs")], { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) process.exit(1);
}

/** Without the console everything else works, so a build that fails stops nothing. */
function buildConsole() {
  spawnSync(node, [at("scripts/build-console.mjs"), "--optional"], { stdio: ["ignore", "ignore", "inherit"] });
}

function run(args) {
  const child = spawn(node, args, { stdio: "inherit" });
  // Ctrl-C reaches the child too, as a member of the process group: this process only has to outlive it.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.once("error", (error) => fail(error.message));
  child.once("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
