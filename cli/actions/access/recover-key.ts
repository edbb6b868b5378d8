import { execFile } from "node:child_process";
import { z } from "zod";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure, usageFailure } from "../../failure.ts";
import { RECOVER_KEY } from "../../processes/programs.ts";
import type { CommandContext } from "../../run.ts";

const made = z.object({ id: z.string(), key: z.string() });

/** `skerry keys recover`: an admin key made in the database itself, without a control plane or another key. */
export async function recoverKey(run: CommandContext): Promise<void> {
  const url = run.processEnv.env["DATABASE_URL"];
  if (url === undefined || url === "")
    throw usageFailure(
      "DATABASE_URL is not set",
      "set it to the postgresql:// URL of the control plane's database; only who may write to that can recover a key",
    );
  const { id, key } = made.parse(JSON.parse(await runProgram({ ...run.processEnv.env, DATABASE_URL: url })));
  run.output.data(key);
  run.output.say(`Admin key recovered-admin (id ${id}). It is shown this once; the audit log has an entry of it.`);
  run.output.next("keys ls");
}

function runProgram(env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [RECOVER_KEY], { env, timeout: 30_000 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const lines = stderr.split("\n").filter((line) => line.trim() !== "");
      reject(
        new CliFailure(EXIT.error, {
          what: "no key was made",
          why: lines.length === 0 ? [error.message] : lines,
          fix: "check DATABASE_URL: it is that of the control plane, which must have been started there once with this version",
        }),
      );
    });
  });
}
