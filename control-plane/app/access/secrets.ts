import { digestOf } from "../../../shared/base/digest.ts";

/** What is stored of a secret: hex SHA-256. Ours have 256 random bits, so that no salt and no slow hash is needed. */
export const secretHash = (secret: string): string => digestOf(secret).slice("sha256:".length);

/** Compares two texts in a time that does not depend on where they differ. */
export function isSame(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
