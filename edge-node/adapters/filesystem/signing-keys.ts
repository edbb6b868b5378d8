import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { signingKey } from "../../../shared/protocol/model-files/release.ts";
import type { TrustedKeys } from "../../core/placements/trust.ts";

/**
 * The keys of a file: one a line, as `skerry signing-keys generate` writes them, and behind it a note; `#` begins a comment.
 * Throws a sentence with the number of the line that holds something else, and when there is no key.
 */
export function readSigningKeys(file: string): TrustedKeys {
  const lines = readFileSync(file, "utf8").split("\n");
  const publicKeys = new Set<string>();
  for (const [index, line] of lines.entries()) {
    const [word = ""] = line.trim().split(/\s+/);
    if (word === "" || word.startsWith("#")) continue;
    if (!signingKey.safeParse(word).success) throw new Error(`line ${index + 1} of ${file} holds no public key`);
    publicKeys.add(word);
  }
  if (publicKeys.size === 0) throw new Error(`${file} holds no key: no version could ever be taken`);
  return { publicKeys, verify: isSignedBy };
}

function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try {
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" });
    return verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
}
