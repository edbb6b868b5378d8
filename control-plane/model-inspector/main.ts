import { readFileSync, writeSync } from "node:fs";
import { setPriority } from "node:os";
import { checkBundle } from "./check-bundle.ts";
import { checkRequest } from "./messages.ts";

/**
 * A process for one uploaded bundle, so that a file made to break the check breaks nothing else. It reads one JSON line
 * from stdin (`checkRequest`), writes one to stdout (`checkResult`) and ends. Whatever is thrown ends it with a code that
 * is not 0: the check could not run. Deadline and memory bound are the parent's (`adapters/artifacts/check-process.ts`).
 */
const STDIN = 0;
const STDOUT = 1;
const NICENESS = 10;

function main(): void {
  giveWay();
  const request = checkRequest.parse(JSON.parse(readFileSync(STDIN, "utf8")));
  writeAll(`${JSON.stringify(checkBundle(request))}\n`);
}

/** Routing goes first: a check may wait. Where a sandbox forbids even that, it runs beside it. */
function giveWay(): void {
  try {
    setPriority(NICENESS);
  } catch {
    // The same check, a little ruder.
  }
}

/** `process.stdout` may still hold what it was given when the process ends. */
function writeAll(text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) written += writeSync(STDOUT, bytes, written);
}

main();
