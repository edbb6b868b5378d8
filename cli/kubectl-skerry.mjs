#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// As in main.mjs.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "skerry", "compile"));

const { runPlugin } = await import("./kubectl/run-plugin.ts");
process.exitCode = await runPlugin(process.argv.slice(2));
