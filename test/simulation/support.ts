import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

const PROGRAM = path.join(import.meta.dirname, "run.ts");
/** Longest time of one experiment on a machine that does other things too, in ms. */
export const LIMIT_MS = 120_000;

/** Runs one experiment in a process of its own and returns its figures. */
export async function figuresOf(id: string): Promise<Readonly<Record<string, number>>> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, id], { timeout: LIMIT_MS });
  const { figures } = JSON.parse(stdout) as { figures: Record<string, number> };
  return figures;
}

export const ratioOf = (figures: Readonly<Record<string, number>>, one: string, other: string): number =>
  (figures[one] ?? Number.NaN) / (figures[other] ?? Number.NaN);
