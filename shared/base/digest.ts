import { createHash } from "node:crypto";
import canonicalize from "canonicalize";

/** A SHA-256 as it travels: `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;

/** The digest of `bytes`. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** `value` in the one spelling that RFC 8785 gives it, so that equal values have equal digests. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("only JSON values have a canonical form");
  return text;
}
