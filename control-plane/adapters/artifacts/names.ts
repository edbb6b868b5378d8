import { isId } from "../../../shared/base/ids.ts";

const SHA256 = /^[0-9a-f]{64}$/;

/**
 * Ids and digests become parts of paths and keys here and nowhere else. One that is none is a fault of ours, because both
 * were decoded before.
 */
export function demandId(id: string): string {
  if (!isId(id)) throw new TypeError("an upload's id has characters that no id has");
  return id;
}

export function demandSha256(sha256: string): string {
  if (!SHA256.test(sha256)) throw new TypeError("a digest is not 64 lower-case hex digits");
  return sha256;
}
