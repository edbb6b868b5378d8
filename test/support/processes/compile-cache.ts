import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Where all processes of all tests keep what they compiled: from there a program starts with half of the CPU time. */
export const COMPILE_CACHE = path.join(tmpdir(), "skerry-test-compile-cache");

/** The folder of the model hosts of a new state folder. They compile for each other, which hosts of different nodes never do. */
export function workFolder(stateDir: string): string {
  const folder = path.join(stateDir, "work");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mkdirSync(COMPILE_CACHE, { recursive: true });
  const cache = path.join(folder, "compile-cache");
  if (!existsSync(cache)) symlinkSync(COMPILE_CACHE, cache);
  return folder;
}
