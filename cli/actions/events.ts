import { event, type SkerryEvent } from "../../shared/api/v1/events.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { parseExactly } from "../api/exact-json.ts";
import { followStream } from "../api/follow-stream.ts";
import { readList } from "../api/lists.ts";
import type { OutputFormat } from "../output/formats.ts";
import { isMachineFormat, printList, printRaw, type View } from "../output/format.ts";
import type { Style } from "../output/paint.ts";
import { formatSince } from "../output/units.ts";
import type { CommandContext } from "../run.ts";

export interface EventOptions {
  readonly watch?: boolean;
  readonly object?: string;
  readonly limit: number;
}

const typeText = (row: SkerryEvent, paint: Style): string => (row.type === "Warning" ? paint.warn(row.type) : row.type);

const view: View<SkerryEvent> = {
  name: (row) => row.id,
  columns: [
    { header: "AGE", value: (row) => formatSince(row.at, Date.now()) },
    { header: "TYPE", value: typeText },
    { header: "REASON", value: (row) => row.reason },
    { header: "OBJECT", value: (row) => row.object },
    { header: "WHAT HAPPENED", value: (row) => row.message },
    { header: "ID", value: (row) => row.id, wide: true },
  ],
};

export async function showEvents(run: CommandContext, options: EventOptions): Promise<void> {
  const api = await run.api();
  const { raw, items } = await readList(api, "/api/v1/events", event, { object: options.object, limit: options.limit });
  const { format } = run.globals;
  if (options.watch !== true) {
    return printList({
      output: run.output,
      format,
      raw,
      rows: oldestFirst(items),
      view,
      empty: "Nothing has happened yet.",
    });
  }
  for (const one of oldestFirst(items)) await printOne(run, format, one);
  return watch(run, api, options, oldestFirst(items).at(-1)?.id);
}

// The newest event is printed last, because a reader looks at the end of the output.
function oldestFirst(items: readonly SkerryEvent[]): readonly SkerryEvent[] {
  return items.toSorted((one, other) => Date.parse(one.at) - Date.parse(other.at));
}

/** Follows the stream until it is interrupted; after a broken connection it continues after the last event it has seen. */
async function watch(
  run: CommandContext,
  api: ApiClient,
  options: EventOptions,
  after: string | undefined,
): Promise<never> {
  const messages = followStream(run, api, {
    path: "/api/v1/events",
    query: (last) => ({ object: options.object, ...(last === undefined && { from: "oldest" }) }),
    after,
    what: "events",
  });
  for (;;) {
    const { value } = await messages.next();
    const one = decode(event, parseExactly(value.data), "an event");
    if (options.object === undefined || one.object === options.object) await printOne(run, run.globals.format, one);
  }
}

async function printOne(run: CommandContext, format: OutputFormat, one: SkerryEvent): Promise<void> {
  if (format === "name") return run.output.data(one.id);
  // One line each, so that `| jq` works while the stream runs.
  if (format === "json") return run.output.data(JSON.stringify(one));
  if (isMachineFormat(format)) {
    run.output.data("---");
    return printRaw(run.output, format, one);
  }
  const time = one.at.replace("T", " ").replace(/\.\d+/, "");
  const { paint } = run.output;
  run.output.data(
    `${paint.faint(time)}  ${typeText(one, paint).padEnd(7)}  ${one.reason.padEnd(24)}  ${one.object.padEnd(24)}  ${one.message}`,
  );
}
