import { event, type SkerryEvent } from "../../../shared/api/v1/events.ts";
import { decode } from "../../api/client.ts";
import { parseExactly } from "../../api/exact-json.ts";
import { followStream } from "../../api/follow-stream.ts";
import { readList } from "../../api/lists.ts";
import { printRaw } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";

export interface LogOptions {
  readonly follow?: boolean;
  readonly limit: number;
  readonly warnings?: boolean;
}

/**
 * `skerry logs NODE`: what its agent and model hosts reported and what the control plane saw of it, oldest first. Lines
 * that a node writes while it is away come when it is back.
 */
export async function showLogs(run: CommandContext, node: string, options: LogOptions): Promise<void> {
  const api = await run.api();
  // A node that does not exist has no events either: ask for it, so that a slip of the keyboard is said.
  await api.get(`/api/v1/nodes/${encodeURIComponent(node)}`);
  const object = `node/${node}`;
  const { items } = await readList(api, "/api/v1/events", event, { object, limit: options.limit });
  const oldestFirst = items.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
  for (const one of oldestFirst) await printLine(run, one, options);
  if (options.follow !== true) {
    if (items.length === 0) run.output.say(`${node} has reported nothing yet.`);
    return;
  }
  const messages = followStream(run, api, {
    path: "/api/v1/events",
    query: (last) => ({ object, ...(last === undefined && { from: "oldest" }) }),
    after: oldestFirst.at(-1)?.id,
    what: "events",
  });
  for (;;) {
    const { value } = await messages.next();
    await printLine(run, decode(event, parseExactly(value.data), "an event"), options);
  }
}

async function printLine(run: CommandContext, one: SkerryEvent, { warnings }: LogOptions): Promise<void> {
  if (warnings === true && one.type !== "Warning") return;
  const { format } = run.globals;
  if (format === "json") return run.output.data(JSON.stringify(one));
  if (format === "yaml") {
    run.output.data("---");
    return printRaw(run.output, format, one);
  }
  if (format === "name") return run.output.data(one.id);
  const { paint } = run.output;
  const time = one.at.replace("T", " ").replace(/\.\d+/, "");
  const level = one.type === "Warning" ? paint.warn("warn") : "info";
  const reason = one.reason === "NodeLog" ? "" : `${paint.faint(one.reason)}  `;
  run.output.data(`${paint.faint(time)}  ${level}  ${reason}${one.message}`);
}
