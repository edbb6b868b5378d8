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

/** Newest events of a node among which warnings are looked for. */
const SEARCHED = 5_000;

/**
 * `skerry logs NODE`: what its agent and model hosts reported and what the control plane saw of it, oldest first. Lines
 * that a node writes while it is away come when it is back.
 */
export async function showLogs(run: CommandContext, node: string, options: LogOptions): Promise<void> {
  const api = await run.api();
  // A node that does not exist has no events either: ask for it, so that a slip of the keyboard is said.
  await api.get(`/api/v1/nodes/${encodeURIComponent(node)}`);
  const object = `node/${node}`;
  const limit = options.warnings === true ? SEARCHED : options.limit;
  const { items } = await readList(api, "/api/v1/events", event, { object, limit });
  const newest = items.filter((one) => isWanted(one, options)).slice(0, options.limit);
  for (const one of newest.toReversed()) await printLine(run, one);
  if (options.follow !== true) {
    if (newest.length === 0)
      run.output.say(`${node} has reported ${options.warnings === true ? "no warning" : "nothing"} yet.`);
    return;
  }
  const messages = followStream(run, api, {
    path: "/api/v1/events",
    query: (last) => ({ object, ...(last === undefined && { from: "oldest" }) }),
    after: items[0]?.id,
    what: "events",
  });
  for (;;) {
    const { value } = await messages.next();
    const one = decode(event, parseExactly(value.data), "an event");
    if (isWanted(one, options)) await printLine(run, one);
  }
}

const isWanted = ({ type }: SkerryEvent, { warnings }: LogOptions): boolean => warnings !== true || type === "Warning";

async function printLine(run: CommandContext, one: SkerryEvent): Promise<void> {
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
