import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import path from "node:path";

/** `npm run bench [-- NAME …]`: runs every benchmark, or those whose name holds one of the words, one after the other. */
const words = process.argv.slice(2);
const files = globSync("*/*.bench.ts", { cwd: import.meta.dirname }).toSorted();
const chosen =
  words.length === 0 ? files : files.filter((file) => words.some((word) => path.basename(file).includes(word)));
if (chosen.length === 0) {
  console.error(`no benchmark is called ${words.join(" or ")}; there are ${files.join(", ")}`);
  process.exitCode = 64;
}
for (const file of chosen) {
  console.log(`\n── ${file}`);
  const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, file)], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
