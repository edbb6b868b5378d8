import type { Random } from "../../../shared/base/random.ts";

/** Numbers that lengths, counts and types are often wrong with. */
const EDGES = [0, 1, 2, 7, 8, 127, 128, 255, 256, 32_767, 65_535, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const MAX_EDITS = 8;

/** Whole numbers from 0 up to `end`, without it. */
export const below = (random: Random, end: number): number => Math.floor(random.next() * end);

const oneOf = <Item>(random: Random, items: readonly Item[]): Item | undefined => items[below(random, items.length)];

/** One of `corpus`, changed in one to eight places: bits, bytes, lengths, and parts that go, come twice or come from another one. */
export function mutate(corpus: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = Buffer.from(oneOf(random, corpus) ?? []);
  const edits = 1 + below(random, MAX_EDITS);
  for (let edit = 0; edit < edits; edit += 1) bytes = changed(bytes, { corpus, random });
  return bytes;
}

function changed(
  bytes: Buffer,
  { corpus, random }: { readonly corpus: readonly Uint8Array[]; readonly random: Random },
): Buffer<ArrayBuffer> {
  const at = below(random, Math.max(1, bytes.length));
  const length = below(random, Math.min(64, bytes.length - at + 1));
  const copy = Buffer.from(bytes);
  switch (below(random, 8)) {
    case 0:
      if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
      return copy;
    case 1:
      if (copy.length > 0) copy[at] = below(random, 256);
      return copy;
    case 2: {
      const edge = oneOf(random, EDGES) ?? 0;
      if (at + 4 > copy.length) return copy;
      if (random.next() < 0.5) copy.writeUInt32LE(edge, at);
      else copy.writeUInt32BE(edge, at);
      return copy;
    }
    case 3:
      return copy.subarray(0, at);
    case 4:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + length)]);
    case 5:
      return Buffer.concat([copy.subarray(0, at + length), copy.subarray(at)]);
    case 6: {
      const other = Buffer.from(oneOf(random, corpus) ?? []);
      const from = below(random, Math.max(1, other.length));
      return Buffer.concat([copy.subarray(0, at), other.subarray(from, from + 64), copy.subarray(at)]);
    }
    default:
      return Buffer.concat([copy.subarray(0, at), Buffer.from(random.bytes(1 + below(random, 16))), copy.subarray(at)]);
  }
}
