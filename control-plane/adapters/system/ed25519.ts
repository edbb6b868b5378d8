import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import type { KeyPair, Keys } from "../../ports/access/keys.ts";

/** SubjectPublicKeyInfo of Ed25519 (RFC 8410) up to the 32 raw bytes: node:crypto reads no bare keys. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const KEY_BYTES = 32;
const SECRET_BYTES = 32;

export const keys: Keys = {
  verify(publicKey, text, signature) {
    const raw = Buffer.from(publicKey, "base64url");
    if (raw.byteLength !== KEY_BYTES) return false;
    try {
      const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
      return verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url"));
    } catch {
      return false; // not a point on the curve
    }
  },
  secret: () => randomBytes(SECRET_BYTES).toString("base64url"),
};

/** A new pair. */
export function keyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.byteLength);
  return {
    publicKey: raw.toString("base64url"),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url"),
  };
}
