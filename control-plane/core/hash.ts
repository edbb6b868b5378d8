/** Hashes of text: the same on every machine, so that ties break the same way everywhere. Not for secrets. */

/** FNV-1a, 32 bits (Fowler, Noll, Vo). */
export function stableHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
