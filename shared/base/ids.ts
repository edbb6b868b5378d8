import type { Random } from "./random.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type NodeId = Branded<"NodeId">;
export type PlacementId = Branded<"PlacementId">;
export type TransferId = Branded<"TransferId">;

const ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's base 32: no letter that reads like a digit

/** True when `text` may stand as an id on the wire: 1–64 characters of `[A-Za-z0-9_-]`. */
export const isId = (text: string): boolean => ID_PATTERN.test(text);

/** A fresh id such as `n-4k2v9x0qhm`: a prefix that tells the kind, then 50 random bits. */
export function newId<Id extends string>(prefix: string, random: Random): Id {
  const bytes = random.bytes(10);
  let text = "";
  for (const byte of bytes) text += ALPHABET[byte & 31];
  return `${prefix}-${text}` as Id;
}
