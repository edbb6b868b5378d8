import type { WatchableListQuery } from "../../../../shared/api/v1/common.ts";
import type { ListWatch } from "../../../app/fleet/list-watch.ts";
import { eventStream } from "../server/event-stream.ts";
import type { RouteResponse, RequestFacts } from "../server/route.ts";
import { paginate, selectorOf, type Listing } from "./paginate.ts";

const DEFAULT_LIMIT = 100;

/** A list that is answered page by page or, with `watch`, as a stream of its changes; with the same filters and rights. */
export class WatchableList<Item> {
  readonly #list: () => readonly Item[];
  readonly #watch: ListWatch<Item>;
  readonly #listing: Listing<Item>;

  constructor(parts: { list: () => readonly Item[]; watch: ListWatch<Item>; listing: Listing<Item> }) {
    this.#list = parts.list;
    this.#watch = parts.watch;
    this.#listing = parts.listing;
  }

  /** `maySee`: which objects the caller may know of. Throws `INVALID_REQUEST` for the selector, `RATE_LIMITED` for a stream. */
  answer(
    request: Pick<RequestFacts, "header" | "signal"> & { readonly query: WatchableListQuery },
    maySee: (item: Item) => boolean = () => true,
  ): RouteResponse<{ items: Item[]; nextCursor: string | null }> {
    const { query, header, signal } = request;
    const { watch, limit = DEFAULT_LIMIT, cursor, labelSelector } = query;
    if (watch === "false")
      return { body: paginate(this.#list().filter(maySee), { limit, cursor, labelSelector }, this.#listing) };
    const isSelected = selectorOf(labelSelector, this.#listing.labelsOf);
    const after = header("last-event-id");
    const batches = this.#watch.follow({
      after: after === "" ? undefined : after,
      isVisible: (item) => maySee(item) && isSelected(item),
      signal,
    });
    return eventStream(batches, (message) => ({
      ...("id" in message && { id: message.id }),
      event: message.event,
      data: "item" in message ? message.item : {},
    }));
  }
}
