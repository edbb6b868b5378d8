/** Hashes of text: the same on every machine, so that ties break the same way everywhere. Not for secrets. */

const FNV_OFFSET = 0x811c9dc5;

/** FNV-1a, 32 bits (Fowler, Noll, Vo). With `after`, the hash of a text, that of both texts one after the other. */
export function stableHash(text: string, after = FNV_OFFSET): number {
  let hash = after;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
