/** Hashes of text: the same on every machine, so that ties break the same way everywhere. Not for secrets. */

/** FNV-1a, 32 bits (Fowler, Noll, Vo). */
export function stableHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** A number in [0, 1). Mixed (after MurmurHash3), since FNV alone leaves the high bits of similar texts alike. */
export function hashFraction(text: string): number {
  let hash = stableHash(text);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
