import type { ListQuery } from "../../../../shared/api/v1/common.ts";
import { unmetRequirement } from "../../../core/scheduling/selector.ts";
import { parseLabelSelector } from "./label-selector.ts";

export interface Listing<Item> {
  /** Sorts the list and says where a page ends, so a page boundary survives what comes and goes in between. Unique. */
  readonly keyOf: (item: Item) => string;
  /** What a selector may name; left out: the list takes none. */
  readonly labelsOf?: (item: Item) => Readonly<Record<string, string>>;
}

/** One page of `all`: filtered, sorted by key, beginning after the cursor. */
export function paginate<Item>(
  all: readonly Item[],
  { limit, cursor, labelSelector }: ListQuery,
  { keyOf, labelsOf }: Listing<Item>,
): { items: Item[]; nextCursor: string | null } {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const isSelected = selectorOf(labelSelector, labelsOf);
  const following = all
    .filter((item) => (after === undefined || keyOf(item) > after) && isSelected(item))
    .map((item) => ({ item, key: keyOf(item) }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const page = following.slice(0, limit);
  const last = following.length > limit ? page.at(-1) : undefined;
  return { items: page.map(({ item }) => item), nextCursor: last ? encodeCursor(last.key) : null };
}

/** Whether an item has the labels that `labelSelector` asks for. Throws `INVALID_REQUEST` when that is no selector. */
export function selectorOf<Item>(
  labelSelector: string | undefined,
  labelsOf: Listing<Item>["labelsOf"],
): (item: Item) => boolean {
  const selector = labelSelector === undefined ? undefined : parseLabelSelector(labelSelector);
  return (item) => !selector || !labelsOf || unmetRequirement(selector, labelsOf(item)) === undefined;
}

const encodeCursor = (key: string): string => Buffer.from(key).toString("base64url");

const decodeCursor = (cursor: string): string => Buffer.from(cursor, "base64url").toString("utf8");

/** Numbers sort as text when they have the same width. */
export const numberKey = (value: number): string => String(value).padStart(12, "0");
