import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** Everything that can be said about the code without running it. One failure hides no other. */
const CHECKS = [
  { name: "types", command: ["node_modules/.bin/tsc", "--noEmit"] },
  { name: "console", command: ["scripts/check-console.ts"] },
  { name: "lint", command: ["node_modules/.bin/oxlint"] },
  { name: "format", command: ["node_modules/.bin/oxfmt", "--check"] },
  { name: "unused", command: ["node_modules/.bin/knip", "--no-config-hints"] },
  { name: "lockfile", command: ["scripts/complete-lockfile.ts", "--check"] },
] as const;

const root = join(import.meta.dirname, "..");
// oxlint and oxfmt colour even a pipe when CI is set.
const env = { ...process.env, CI: undefined };

async function check({ name, command }: (typeof CHECKS)[number]): Promise<{ ok: boolean; report: string }> {
  const start = performance.now();
  const child = spawn(process.execPath, command, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  const ok = child.exitCode === 0;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${name.padEnd(8)}  ${ok ? "ok" : "FAILED"}  ${seconds} s`);
  return { ok, report: ok ? "" : `\n── ${name} ──\n${stdout}${stderr}` };
}

// Lint reads the client that the check of the console makes.
const first = await Promise.all(CHECKS.filter(({ name }) => name === "console").map(check));
const rest = await Promise.all(CHECKS.filter(({ name }) => name !== "console").map(check));
const results = [...first, ...rest];
const failed = results.filter(({ ok }) => !ok).length;
console.log(results.map(({ report }) => report).join(""));
console.log(`${CHECKS.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
