import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { keyIdOf } from "../../../shared/protocol/model-files/release.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import type { CommandContext } from "../../run.ts";

/** Makes a key that signs versions: FILE holds the private key, for its owner alone, and FILE.pub what nodes are given. */
export async function generateSigningKey(run: CommandContext, file: string): Promise<void> {
  const path = resolve(run.processEnv.cwd, file);
  const { privateKey } = generateKeyPairSync("ed25519");
  const { x: publicKey = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  await write(path, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
  await write(`${path}.pub`, `${publicKey} ${keyIdOf(publicKey)}\n`, 0o644);
  run.output.data(publicKey);
  run.output.say(
    `The private key is in ${path}; keep it off the control plane. Give ${path}.pub to nodes: skerry join --signing-keys.`,
  );
}

/** Never over a file that is there: it may be the only copy of a key. */
async function write(path: string, text: string, mode: number): Promise<void> {
  try {
    const file = await open(path, "wx", mode);
    await file.writeFile(text);
    await file.close();
  } catch (error) {
    if (!Error.isError(error) || !("code" in error) || error.code !== "EEXIST") throw error;
    throw new CliFailure(EXIT.error, { what: `${path} is there already`, fix: "name another file" }, { cause: error });
  }
}
