import { execFile } from "node:child_process";

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Rejects when it cannot be started. */
export async function ended(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { timeout: 120_000, cwd: import.meta.dirname }, (error, stdout, stderr) => {
      if (error && typeof error.code !== "number" && error.code !== undefined) return reject(error);
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
  });
}
