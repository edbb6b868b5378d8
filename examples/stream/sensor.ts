import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { csvOf, FAULTS, Machine } from "./machine.ts";

/**
 * A sensor beside a machine: writes one file for each window into a directory, complete when it appears, and prints the
 * windows in which something was wrong: every fifth, in turns.
 *
 *   npm run -s example:sensor -- --out /tmp/skerry-inbox --windows 100
 */
const { values } = parseArgs({
  options: {
    out: { type: "string" },
    windows: { type: "string", default: "100" },
    seed: { type: "string", default: "2" },
  },
});
const { out } = values;
if (out === undefined) throw new Error("--out DIRECTORY is where the windows go");
mkdirSync(out, { recursive: true });
const machine = new Machine(Number(values.seed));
const wrong: Record<string, string> = {};
for (let n = 0; n < Number(values.windows); n += 1) {
  const fault = n % 5 === 4 ? FAULTS[Math.floor(n / 5) % FAULTS.length] : undefined;
  const name = `press-${String(n).padStart(5, "0")}.csv`;
  writeFileSync(join(out, `.${name}`), csvOf(machine.window(fault)));
  renameSync(join(out, `.${name}`), join(out, name));
  if (fault !== undefined) wrong[name] = fault;
}
process.stdout.write(`${JSON.stringify(wrong)}\n`);
