import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { CommandContext } from "../run.ts";
import { type ApiClient, decode } from "./client.ts";
import { parseExactly } from "./exact-json.ts";
import { followStream } from "./follow-stream.ts";

export interface ItemChange<Item> {
  readonly event: "added" | "modified" | "deleted";
  readonly item: Item;
  /** As the server sent it. */
  readonly raw: unknown;
}

export interface WatchedList<Schema extends z.ZodType> {
  readonly path: string;
  readonly schema: Schema;
  readonly selector?: string | undefined;
  /** Only objects in this state, where the list can be asked for it. */
  readonly state?: string | undefined;
  readonly nameOf: (item: z.infer<Schema>) => string;
  /** What of an item makes a change. */
  readonly lasting: (item: z.infer<Schema>) => unknown;
  /** For a person, e.g. `nodes`. */
  readonly what: string;
  /** As of `followStream`. */
  readonly onLink?: ((isOpen: boolean) => void) | undefined;
}

/**
 * What changes in a list, until the run is interrupted or the reader leaves; first the whole list as one batch of `added`, which may be empty.
 * When the stream has to begin anew, only what differs from what was known comes.
 */
export async function* watchList<Schema extends z.ZodType>(
  run: Pick<CommandContext, "signal" | "output">,
  api: ApiClient,
  { path, schema, selector, state, nameOf, lasting, what, onLink }: WatchedList<Schema>,
): AsyncGenerator<readonly ItemChange<z.infer<Schema>>[]> {
  type Change = ItemChange<z.infer<Schema>>;
  let known = new Map<string, Change>();
  /** The whole list, while it arrives. */
  let arriving: Map<string, Change> | undefined;
  const query = (): Readonly<Record<string, string | undefined>> => ({ watch: "true", labelSelector: selector, state });
  // A reader that leaves ends the stream with this loop.
  for await (const message of followStream(run, api, { path, query, what, onLink })) {
    if (message.event === "reset") {
      arriving = new Map();
    } else if (message.event === "bookmark") {
      if (!arriving) continue;
      const changes = differences(known, arriving, lasting);
      known = arriving;
      arriving = undefined;
      yield changes;
    } else {
      const raw = parseExactly(message.data);
      const event = decode(eventName, message.event, "a change of a list");
      const change: Change = { event, item: decode(schema, raw, "such an object"), raw };
      apply(arriving ?? known, nameOf(change.item), change);
      if (!arriving) yield [change];
    }
  }
}

const eventName = z.enum(["added", "modified", "deleted"]);

function apply<Item>(list: Map<string, ItemChange<Item>>, name: string, change: ItemChange<Item>): void {
  if (change.event === "deleted") list.delete(name);
  else list.set(name, change);
}

/** What turns `before` into `after`, by name. */
function differences<Item>(
  before: ReadonlyMap<string, ItemChange<Item>>,
  after: ReadonlyMap<string, ItemChange<Item>>,
  lasting: (item: Item) => unknown,
): readonly ItemChange<Item>[] {
  const changes: (readonly [string, ItemChange<Item>])[] = [];
  for (const [name, change] of after) {
    const old = before.get(name);
    if (!old) changes.push([name, { ...change, event: "added" }]);
    else if (!isDeepStrictEqual(lasting(old.item), lasting(change.item)))
      changes.push([name, { ...change, event: "modified" }]);
  }
  for (const [name, old] of before) if (!after.has(name)) changes.push([name, { ...old, event: "deleted" }]);
  return changes.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, change]) => change);
}
