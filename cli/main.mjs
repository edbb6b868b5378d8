#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// Stripping the types of some thirty files costs 200 ms at every start; from the cache it costs 20. This file has none to
// strip: for one file alone Node loads what strips them, which took longer than all the rest of `--help`. Not under /tmp,
// where another user of the machine could put code into it first.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "skerry", "compile"));

// Imported only now, so that everything behind it comes from the cache.
const { main } = await import("./entry.ts");
process.exitCode = await main(process.argv.slice(2));
