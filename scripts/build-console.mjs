/**
 * Builds the web console into console/dist when it is missing or its sources have changed; a fresh one takes a few ms.
 * Runs as `prepare`, so also inside `npm ci` on the machine's own node; hence plain JavaScript. With `--optional` a build
 * that fails is reported and no error: everything but the console works without it.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const root = join(import.meta.dirname, "..");
const at = (path) => join(root, path);
const built = at("console/dist");
const fresh = at("console/dist.new");
const stamp = "sources.sha256";
const vite = at("node_modules/vite/bin/vite.js");
/** Compression makes smaller what is text; a small file stays within one packet either way. */
const COMPRESSED = /\.(html|js|css|svg|json)$/;
const MIN_BYTES = 512;

const isOptional = process.argv.includes("--optional");
const hash = hashOfSources();

if (isBuilt()) {
  // Nothing to do.
} else if (!existsSync(vite)) {
  console.error("vite is not installed (npm ci --omit=dev?): the web console is left as it is.");
} else {
  await build();
}

function isBuilt() {
  const file = join(built, stamp);
  return existsSync(file) && readFileSync(file, "utf8") === hash;
}

/** By content, not by age: a checkout gives files a new time without changing them. Libraries count by the lockfile. */
function hashOfSources() {
  const digest = createHash("sha256");
  // Of shared/ the console has what recognises a model, with all that it imports.
  const files = ["console", "shared"]
    .flatMap((folder) => readdirSync(at(folder), { recursive: true, withFileTypes: true }))
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name))
    .filter((file) => !file.startsWith(built) && !file.startsWith(fresh) && !file.endsWith(".md"));
  for (const file of [...files.toSorted(), at("package-lock.json")]) {
    digest.update(file.slice(root.length)).update("\0").update(readFileSync(file)).update("\0");
  }
  return digest.digest("hex");
}

async function build() {
  const ownNode = at("node_modules/.bin/node");
  const startedAt = performance.now();
  rmSync(fresh, { recursive: true, force: true });
  const run = spawnSync(
    existsSync(ownNode) ? ownNode : process.execPath,
    [vite, "build", at("console"), "--outDir", fresh, "--logLevel", "warn"],
    { cwd: root, encoding: "utf8", env: { ...process.env, NODE_ENV: "production" } },
  );
  if (run.status !== 0) {
    console.error(`The web console could not be built.\n${run.error?.message ?? `${run.stdout}${run.stderr}`}`);
    process.exitCode = isOptional ? 0 : 1;
    return;
  }
  await compress();
  writeFileSync(join(fresh, stamp), hash);
  rmSync(built, { recursive: true, force: true });
  renameSync(fresh, built);
  console.error(`The web console was built in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
}

/** Ahead of time, so that a request costs nothing and may have the smallest form. */
async function compress() {
  const files = readdirSync(fresh, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && COMPRESSED.test(each.name))
    .map((each) => join(each.parentPath, each.name));
  await Promise.all(
    files.map(async (file) => {
      const bytes = readFileSync(file);
      if (bytes.length < MIN_BYTES) return;
      const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
      writeFileSync(`${file}.br`, await promisify(brotliCompress)(bytes, { params }));
      writeFileSync(`${file}.gz`, await promisify(gzip)(bytes, { level: 9 }));
    }),
  );
}
