import { z } from "zod";
import { type ApiClient, decode } from "./client.ts";

const page = z.looseObject({ items: z.array(z.unknown()), nextCursor: z.string().nullable().optional() });

/** The server's own bound on a page. */
const PAGE = 500;

export interface ListQuery {
  readonly selector?: string | undefined;
  /** At most so many, instead of everything. */
  readonly limit?: number | undefined;
  readonly [parameter: string]: string | number | undefined;
}

/** The options of `ls`. */
export interface ListOptions {
  readonly selector?: string;
  readonly limit?: number;
  readonly watch?: boolean;
}

export interface Listed<Item> {
  /** The answer as it came; several pages are joined into one. */
  readonly raw: { readonly items: readonly unknown[]; readonly nextCursor: string | null };
  readonly items: readonly Item[];
}

/** Reads a list of the API to its end, or to `limit`, page by page. */
export async function readList<Schema extends z.ZodType>(
  api: ApiClient,
  path: string,
  item: Schema,
  { selector, limit = Infinity, ...parameters }: ListQuery = {},
): Promise<Listed<z.infer<Schema>>> {
  const items: unknown[] = [];
  let cursor: string | undefined;
  do {
    const { body } = await api.get(path, {
      ...parameters,
      labelSelector: selector,
      limit: Math.min(PAGE, limit - items.length),
      cursor,
    });
    const answer = decode(page, body, "a list");
    items.push(...answer.items);
    cursor = answer.nextCursor ?? undefined;
  } while (cursor !== undefined && items.length < limit);
  return { raw: { items, nextCursor: cursor ?? null }, items: decode(z.array(item), items, "a list of such objects") };
}
