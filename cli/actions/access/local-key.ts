import { createHash, randomBytes } from "node:crypto";
import { appendFile, mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { CommandContext } from "../../run.ts";

/** 256 bits: nobody guesses it, so one round of SHA-256 is as good as a slow hash. */
const KEY_BYTES = 32;

/**
 * `skerry keys local`: a key that one node knows and no control plane does, so that callers near it are let in while
 * the control plane is away. The key goes to stdout this once; the file keeps its SHA-256.
 */
export async function createLocalKey(
  run: CommandContext,
  file: string,
  options: { readonly note?: string },
): Promise<void> {
  const path = resolve(run.processEnv.cwd, file);
  const key = `skn_${randomBytes(KEY_BYTES).toString("base64url")}`;
  const hash = createHash("sha256").update(key).digest("hex");
  const note = options.note === undefined ? "" : `  # ${options.note.replaceAll(/\s+/g, " ").trim()}`;
  await mkdir(dirname(path), { recursive: true });
  await appendFile(path, `${hash}${note}\n`, { mode: 0o600 });
  run.output.data(key);
  run.output.say(
    `Its hash is in ${path}. A running node takes it up at the next request; delete the line to revoke it.`,
  );
  run.output.next(`join --local-host ADDRESS --local-keys ${file}`);
}
