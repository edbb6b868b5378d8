import type { WatchableListQuery } from "../../../../shared/api/v1/common.ts";
import type { ListWatch } from "../../../app/fleet/list-watch.ts";
import { eventStream } from "../server/event-stream.ts";
import type { RouteResponse, RequestFacts } from "../server/route.ts";
import { paginate, selectorOf, type Listing } from "./paginate.ts";

const DEFAULT_LIMIT = 100;

/**
 * A list that is answered page by page or, with `watch`, as a stream of its changes; with the same filters and rights. A page
 * is chosen among rows, and items are made of those of the page alone; `Facts`: what both have, and filters look at.
 */
export class WatchableList<Facts, Item extends Facts, Row extends Facts> {
  readonly #list: () => readonly Row[];
  readonly #toItem: (row: Row) => Item;
  readonly #watch: ListWatch<Item>;
  readonly #listing: Listing<Facts>;

  constructor(parts: {
    list: () => readonly Row[];
    toItem: (row: Row) => Item;
    watch: ListWatch<Item>;
    listing: Listing<Facts>;
  }) {
    this.#list = parts.list;
    this.#toItem = parts.toItem;
    this.#watch = parts.watch;
    this.#listing = parts.listing;
  }

  /** `maySee`: what the caller may know of. Throws `INVALID_REQUEST` for the selector, `RATE_LIMITED` for a stream. */
  answer(
    request: Pick<RequestFacts, "header" | "signal"> & { readonly query: WatchableListQuery },
    maySee: (each: Facts) => boolean = () => true,
  ): RouteResponse<{ items: Item[]; nextCursor: string | null }> {
    const { query } = request;
    const { watch, limit = DEFAULT_LIMIT, cursor, labelSelector } = query;
    if (watch === "false") {
      const page = paginate(this.#list().filter(maySee), { limit, cursor, labelSelector }, this.#listing);
      return { body: { ...page, items: page.items.map(this.#toItem) } };
    }
    const isSelected = selectorOf(labelSelector, this.#listing.labelsOf);
    return streamOfChanges(this.#watch, request, (item) => maySee(item) && isSelected(item));
  }
}

/** The items of a watched list that are visible, as a stream of their changes. Throws `RATE_LIMITED` when too many follow. */
export function streamOfChanges<Item>(
  watch: ListWatch<Item>,
  { header, signal }: Pick<RequestFacts, "header" | "signal">,
  isVisible: (item: Item) => boolean,
): ReturnType<typeof eventStream> {
  const after = header("last-event-id");
  const batches = watch.follow({ after: after === "" ? undefined : after, isVisible, signal });
  return eventStream(batches, (message) => ({
    ...("id" in message && { id: message.id }),
    event: message.event,
    data: "item" in message ? message.item : {},
  }));
}
