import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** The types of the console, against a client that is made of the API as it is now. */
const root = join(import.meta.dirname, "..");
const COMMANDS = [["scripts/generate-console-client.ts"], ["node_modules/.bin/tsc", "-p", "console"]];

for (const command of COMMANDS) {
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
