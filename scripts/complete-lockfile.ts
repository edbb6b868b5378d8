/**
 * Adds to package-lock.json the packages for other platforms that the registry in use does not serve: npm leaves those out,
 * and npm 11 then refuses the whole file in `npm ci` ("Missing: … from lock file"). Run it after `npm i`; `--check` only
 * says whether it is needed. The entries carry no integrity, because nobody here has seen the bytes.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const document = z.record(z.string(), z.unknown());
const packageEntry = z.object({
  dev: z.boolean().optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});

const OS = new Set([
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
]);
/** Other names of platforms. */
const OS_NAMES: Readonly<Record<string, string>> = { mac: "darwin", win: "win32" };
const CPU = new Set(["arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "wasm32", "x64"]);

/** What package.json takes in place of the dependencies of a package: `npm:NAME@VERSION` by the dependency's name. */
const overrides = z
  .object({ overrides: z.record(z.string(), z.record(z.string(), z.string())).default({}) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"))).overrides;

/** The package that is installed for a dependency of `parent`: another one where package.json overrides it. */
function installedFor(parent: string, name: string): { readonly name: string; readonly alias?: string } {
  const [, alias] = /^npm:(.+)@[^@]+$/.exec(overrides[parent]?.[name] ?? "") ?? [];
  return alias === undefined ? { name } : { name: alias, alias };
}

/** Reads the platform from the name, which spells it out: `@oxlint/binding-linux-arm64-musl`. Keys in npm's order. */
function entryFor(
  { name, alias }: ReturnType<typeof installedFor>,
  version: string,
  dev: boolean | undefined,
): unknown {
  const words = name.split(/[-/]/);
  const cpu = words.filter((word) => CPU.has(word));
  const libc = words.flatMap((word) => (word.startsWith("musl") ? ["musl"] : word.startsWith("gnu") ? ["glibc"] : []));
  const os = words.map((word) => OS_NAMES[word] ?? word).filter((word) => OS.has(word));
  return {
    ...(alias !== undefined && { name: alias }),
    version,
    ...(cpu.length > 0 && { cpu }),
    ...(dev && { dev }),
    ...(libc.length > 0 && { libc }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

function missingFrom(packages: Readonly<Record<string, unknown>>): [path: string, entry: unknown][] {
  const known = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf("node_modules/"))));
  return Object.entries(packages).flatMap(([at, entry]) => {
    const parent = at.slice(at.lastIndexOf("node_modules/") + "node_modules/".length);
    const { dev, optionalDependencies = {} } = packageEntry.parse(entry);
    return Object.entries(optionalDependencies).flatMap(([name, version]): [string, unknown][] => {
      const path = `node_modules/${name}`;
      return known.has(path) ? [] : [[path, entryFor(installedFor(parent, name), version, dev)]];
    });
  });
}

const file = join(import.meta.dirname, "../package-lock.json");
const lockfile = document.parse(JSON.parse(readFileSync(file, "utf8")));
const packages = document.parse(lockfile["packages"]);
const missing = missingFrom(packages);

if (missing.length > 0 && process.argv.includes("--check")) {
  const names = missing.map(([path]) => path).join(", ");
  console.error(`npm ci would refuse package-lock.json, which lacks ${names}. Run npm run lockfile.`);
  process.exitCode = 1;
} else if (missing.length > 0) {
  const all = Object.entries(packages).concat(missing);
  all.sort(([one], [other]) => one.localeCompare(other, "en"));
  writeFileSync(file, `${JSON.stringify({ ...lockfile, packages: Object.fromEntries(all) }, null, 2)}\n`);
  console.log(`Added ${missing.length} packages for other platforms to package-lock.json.`);
}
