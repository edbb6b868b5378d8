/**
 * `npm run supply-chain`: writes `sbom.cdx.json` (CycloneDX) of what Skerry runs with, lists the licences in it, and asks the
 * registry whether it signed what is installed. Exit 1: a licence that nobody has looked at, or a signature that is wrong or
 * missing. Exit 2: all else is well, but signatures could not be checked, as the registry has none or it or the keys of npm
 * cannot be reached: nothing was found out.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readVerdict } from "./signatures.ts";

const SBOM_FILE = "sbom.cdx.json";
/** Licences that let Skerry be given on under its own. Add one only after reading it. */
const KNOWN: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
  "PSF-2.0",
  "Unlicense",
  "(BSD-2-Clause OR MIT OR Apache-2.0)",
  "(MIT OR CC0-1.0)",
]);
const SIGNATURES_MS = 180_000;

const licence = z.object({
  license: z.object({ id: z.string().optional(), name: z.string().optional() }).optional(),
  expression: z.string().optional(),
});
const sbom = z.object({
  components: z.array(z.object({ name: z.string(), version: z.string(), licenses: z.array(licence).default([]) })),
});

const root = join(import.meta.dirname, "..");
const npm = (args: readonly string[], timeout: number) =>
  spawnSync("npm", args, { cwd: root, encoding: "utf8", timeout, maxBuffer: 64 * 1_048_576 });

function listLicences(): boolean {
  const { stdout, stderr, status } = npm(["sbom", "--sbom-format", "cyclonedx", "--omit", "dev"], 120_000);
  if (status !== 0) {
    console.error(`npm sbom failed: ${stderr.trim()}`);
    return false;
  }
  writeFileSync(join(root, SBOM_FILE), stdout);
  const { components } = sbom.parse(JSON.parse(stdout));
  const byLicence = Map.groupBy(components, ({ licenses }) => licenses.map(nameOf).join(" AND ") || "none said");
  console.log(`${components.length} packages in ${SBOM_FILE}`);
  for (const [name, packages] of [...byLicence].toSorted(([, a], [, b]) => b.length - a.length))
    console.log(`  ${String(packages.length).padStart(4)}  ${name}`);
  const unknown = [...byLicence].filter(([name]) => !KNOWN.has(name));
  for (const [name, packages] of unknown)
    console.error(`${name}: nobody has looked at it yet: ${packages.map((each) => each.name).join(", ")}`);
  return unknown.length === 0;
}

const nameOf = ({ license, expression }: z.infer<typeof licence>): string =>
  expression ?? license?.id ?? license?.name ?? "none said";

/** `unchecked`: it is said, and is neither good nor bad. */
function checkSignatures(): "good" | "bad" | "unchecked" {
  const { stdout, signal } = npm(["audit", "signatures", "--json"], SIGNATURES_MS);
  const verdict = readVerdict(stdout, { isLate: signal !== null });
  switch (verdict.kind) {
    case "verified":
      console.log("signatures: the registry signed what is installed");
      return "good";
    case "refused":
      console.error(`signatures: ${verdict.packages.length} packages are not as the registry signed them:`);
      for (const line of verdict.packages) console.error(`  ${line}`);
      return "bad";
    case "unchecked":
      console.error(
        `signatures: NOT CHECKED, nothing was found out: ${verdict.why}. Run it where the registry signs, and it and tuf-repo-cdn.sigstore.dev can be reached`,
      );
      return "unchecked";
  }
}

const hasKnownLicences = listLicences();
const signatures = checkSignatures();
process.exitCode = !hasKnownLicences || signatures === "bad" ? 1 : signatures === "unchecked" ? 2 : 0;
