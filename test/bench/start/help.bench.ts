import { spawnSync } from "node:child_process";
import path from "node:path";
import { quantile } from "../../support/quantile.ts";

/**
 * What `skerry --help` takes, beside a Node.js that does nothing, by turns. The figures are medians in ms, also as multiples of
 * that Node.js.
 *
 *   npm run bench -- help
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 21);
const MAIN = path.join(import.meta.dirname, "../../../cli/main.mjs");
const LINES: readonly (readonly [string, readonly string[]])[] = [
  ["node -e 0", ["-e", "0"]],
  ["skerry --help", [MAIN, "--help"]],
  ["skerry nodes drain --help", [MAIN, "nodes", "drain", "--help"]],
];

function msOf(args: readonly string[]): number {
  const startedAt = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: "ignore" });
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}`);
  return performance.now() - startedAt;
}

const taken = new Map(LINES.map(([name]) => [name, [] as number[]]));
for (let round = 0; round <= ROUNDS; round += 1)
  for (const [name, args] of LINES) {
    const ms = msOf(args);
    if (round > 0) taken.get(name)?.push(ms); // the first fills caches
  }
const median = (name: string): number => quantile(taken.get(name) ?? [], 0.5);
for (const [name] of LINES)
  console.log(
    `${name.padEnd(26)} ${median(name).toFixed(0).padStart(5)} ms  ${(median(name) / median("node -e 0")).toFixed(2)} ×`,
  );
