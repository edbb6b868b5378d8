/**
 * Writes prisma/generated from prisma/schema.prisma, without a network. Runs as `prepare`, so also inside `npm ci` on the
 * machine's own node; hence plain JavaScript.
 */
import { spawnSync } from "node:child_process";
import { existsSync, utimesSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const at = (path) => join(root, path);
const cli = at("node_modules/prisma/build/index.js");
const client = at("prisma/generated/client.ts");

if (!existsSync(cli)) {
  console.error("prisma is not installed (npm ci --omit=dev?): prisma/generated is left as it is.");
} else {
  generate();
}

function generate() {
  const ownNode = at("node_modules/.bin/node");
  const prisma = spawnSync(
    existsSync(ownNode) ? ownNode : process.execPath,
    [cli, "generate", "--schema", at("prisma/schema.prisma")],
    {
      cwd: root,
      encoding: "utf8",
      // `generate` never runs the schema engine, yet downloads it unless a path is given: any file will do.
      env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: "1" },
    },
  );
  if (prisma.status !== 0) {
    console.error(`prisma generate failed.\n${prisma.error?.message ?? `${prisma.stdout}${prisma.stderr}`}`);
    process.exit(1);
  }
  // A file whose content stays is not rewritten, and scripts/run.mjs compares its time with the schema's.
  const now = new Date();
  utimesSync(client, now, now);
}
