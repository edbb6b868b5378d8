import { event } from "../../../shared/api/v1/events.ts";
import { lastingNode, node, type Node } from "../../../shared/api/v1/nodes/nodes.ts";
import { decode } from "../../api/client.ts";
import { type ListOptions, readList } from "../../api/lists.ts";
import { printList, printObject, type View } from "../../output/format.ts";
import { podsInTrouble } from "./pools.ts";
import { printChanges } from "../../output/print-changes.ts";
import type { Style } from "../../output/paint.ts";
import { count, formatAge, formatBytes, formatSince, hostText } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

/** `ready`, `suspect,cordoned` … in the colour of how well the node is. */
export function nodeStateText(of: Node, paint: Style): string {
  const isQuarantined = of.quarantine !== null;
  const text = [
    of.state,
    ...(of.cordoned ? ["cordoned"] : []),
    ...(of.draining ? [of.drain?.overdue === true ? "drain overdue" : "draining"] : []),
    ...(isQuarantined ? ["quarantined"] : []),
  ].join(",");
  if (of.state === "ready") return of.cordoned || of.draining || isQuarantined ? paint.warn(text) : paint.good(text);
  if (of.state === "waiting") return paint.warn(text);
  return of.state === "pending" ? text : paint.bad(text);
}

const seen = (of: Node): string => (of.lastSeenAgeMs === null ? "never" : formatAge(of.lastSeenAgeMs));
const holds = (of: Node): string =>
  of.placements
    .map(({ model, version, state }) => `${model}:${version}${state === "ready" ? "" : ` (${state})`}`)
    .join(", ");
const streamsText = ({ load }: Node): string =>
  (load?.streams ?? []).map(({ deployment, name, state }) => `${deployment}/${name} (${state})`).join(", ");
const labels = (of: Node): string =>
  Object.entries(of.labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");

const view: View<Node> = {
  name: (row) => row.name,
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "KIND", value: (row) => row.kind },
    { header: "SITE", value: (row) => row.site },
    { header: "ZONE", value: (row) => row.zone, wide: true },
    { header: "STATE", value: nodeStateText },
    { header: "SEEN", value: seen, isMeasured: true },
    {
      header: "RTT",
      value: (row) => (row.load === null ? "" : `${row.load.rttMs.toFixed(row.load.rttMs < 10 ? 1 : 0)} ms`),
      align: "right",
      isMeasured: true,
    },
    {
      header: "CPU",
      value: (row) => (row.load === null ? "" : `${Math.round(row.load.cpuPct)} %`),
      align: "right",
      isMeasured: true,
    },
    {
      header: "MEM FREE",
      value: (row) => (row.load === null ? "" : `${Math.round(row.load.memFreeMiB)} MiB`),
      align: "right",
      wide: true,
      isMeasured: true,
    },
    { header: "CORES", value: (row) => String(row.capabilities?.cpus ?? ""), align: "right", wide: true },
    { header: "RUNTIME", value: (row) => row.capabilities?.runtime ?? "", wide: true },
    { header: "HOLDS", value: holds },
    { header: "STREAMS", value: streamsText, wide: true, isMeasured: true },
    { header: "LABELS", value: labels, wide: true },
  ],
};

const EMPTY = "No node has joined yet. Make a token with `skerry token create --print-join`.";

export interface NodeListOptions extends ListOptions {
  readonly state?: string;
}

export async function listNodes(run: CommandContext, options: NodeListOptions): Promise<void> {
  const api = await run.api();
  const { output, globals } = run;
  const { selector, limit, state } = options;
  if (options.watch === true)
    return printChanges(run, api, { ...watchedNodes, selector, state }, { view, empty: EMPTY });
  const { raw, items } = await readList(api, watchedNodes.path, node, { selector, limit, state });
  await printList({ output, format: globals.format, view, empty: EMPTY, raw, rows: items });
  const isWhole = selector === undefined && limit === undefined && state === undefined;
  const waiting = items.find((each) => each.state === "waiting");
  if (waiting && globals.format === "table") output.next(`nodes describe ${waiting.name}`);
  if (isWhole && (globals.format === "table" || globals.format === "wide"))
    for (const sentence of await podsInTrouble(api)) output.say(sentence);
}

export const watchedNodes = {
  path: "/api/v1/nodes",
  schema: node,
  nameOf: ({ name }: Node) => name,
  lasting: lastingNode,
  what: "nodes",
} as const;

/** `watch`: never returns. */
export async function getNode(
  run: CommandContext,
  name: string,
  { watch }: { readonly watch?: boolean } = {},
): Promise<void> {
  const api = await run.api();
  const { body } = await api.get(`/api/v1/nodes/${encodeURIComponent(name)}`);
  if (watch === true) {
    const list = { ...watchedNodes, selector: `name=${name}` };
    await printChanges(run, api, list, { view, empty: `${name} is gone.` });
  }
  await printList({
    output: run.output,
    format: run.globals.format,
    raw: body,
    rows: [decode(node, body, "a node")],
    view,
    empty: "",
  });
}

export async function describeNode(run: CommandContext, name: string): Promise<void> {
  const api = await run.api();
  const { body } = await api.get(`/api/v1/nodes/${encodeURIComponent(name)}`);
  const found = decode(node, body, "a node");
  await printObject(run.output, run.globals.format, {
    raw: body,
    name: found.name,
    describe: async () => {
      const events = await readList(api, "/api/v1/events", event, { object: `node/${name}`, limit: 10 });
      return describe(found, events.items, run.output.paint);
    },
  });
}

async function describe(
  of: Node,
  events: readonly { at: string; reason: string; message: string }[],
  paint: Style,
): Promise<string> {
  const { renderFields, renderTable } = await import("../../output/table.ts");
  const now = Date.now();
  const { capabilities, load } = of;
  const fields = renderFields(
    [
      ["Name", paint.strong(of.name)],
      ["Id", of.id],
      ["Kind", of.kind],
      ["Site", of.site],
      ["Zone", of.zone],
      ["Labels", labels(of)],
      ["State", `${nodeStateText(of, paint)}, last seen ${of.lastSeenAgeMs === null ? "never" : `${seen(of)} ago`}`],
      ["Drain", drainText(of)],
      [
        "Quarantine",
        of.quarantine === null
          ? ""
          : `no new replicas for another ${formatAge(of.quarantine.leftMs)}: ${count(of.quarantine.disconnects, "disconnect")}`,
      ],
      [
        "Waits",
        of.approval === null
          ? ""
          : `for an approval until ${of.approval.expiresAt}; joined from ${of.approval.from}\nskerry nodes approve ${of.name} --key ${of.approval.publicKey}`,
      ],
      ["Joined", `${formatSince(of.createdAt, now)} ago`],
      ["Agent", of.agentVersion === null ? "" : `${of.agentVersion}, session epoch ${of.epoch}`],
      [
        "Machine",
        capabilities === null
          ? ""
          : `${capabilities.os} ${capabilities.arch}, ${count(capabilities.cpus, "core")}, ${capabilities.memMiB} MiB memory, ${capabilities.diskMiB} MiB disk`,
      ],
      [
        "Runtime",
        capabilities === null
          ? ""
          : `${capabilities.runtime}, opset up to ${capabilities.maxOpset}, ${capabilities.providers.join(", ")}`,
      ],
      ["Local API", capabilities?.localUrl ?? ""],
      ["Engines", capabilities?.engines?.map(engineText).join("\n") ?? ""],
      [
        "Load",
        load === null
          ? ""
          : `CPU ${Math.round(load.cpuPct)} %, ${Math.round(load.memFreeMiB)} MiB memory free, ${Math.round(load.diskFreeMiB)} MiB disk free, RTT ${load.rttMs.toFixed(1)} ms, ${count(load.rif, "request")} in flight (${formatAge(load.ageMs)} ago)`,
      ],
      [
        "Pushes",
        load?.pushBytesPerMs == null ? "" : `${formatBytes(load.pushBytesPerMs * 1_000)} a second, as measured`,
      ],
    ],
    paint,
  );
  const placements = renderTable(
    of.placements,
    [
      { header: "PLACEMENT", value: (row) => row.placementId },
      {
        header: "MODEL",
        value: (row) => `${row.model}:${row.version}${row.variant === null ? "" : ` (${row.variant})`}`,
      },
      { header: "DEPLOYMENT", value: (row) => row.deployment },
      { header: "STATE", value: (row) => row.state },
      { header: "SINCE", value: (row) => formatAge(row.stateAgeMs) },
      { header: "HOST", value: hostText },
    ],
    { wide: true, paint },
  );
  const { streamColumns } = await import("../streams/streams.ts");
  const streams = renderTable(
    (load?.streams ?? []).map((stream) => ({ ...stream, node: of.name })),
    [{ header: "STREAM", value: ({ deployment, name }) => `${deployment}/${name}` }, ...streamColumns],
    { wide: true, paint },
  );
  const history = renderTable(
    events,
    [
      { header: "AGE", value: (row) => formatSince(row.at, now) },
      { header: "REASON", value: (row) => row.reason },
      { header: "WHAT HAPPENED", value: (row) => row.message },
    ],
    { wide: true, paint },
  );
  return [
    fields,
    ...(of.placements.length > 0 ? [placements] : ["It holds nothing."]),
    ...((load?.streams ?? []).length > 0 ? [streams] : []),
    ...(events.length > 0 ? [history] : []),
  ].join("\n\n");
}

/** `openai: qwen3-32b, qwen3-embedding`. */
const engineText = ({ api, models }: { readonly api: string; readonly models: readonly string[] }): string =>
  `${api}: ${models.length === 0 ? "no model yet" : models.join(", ")}`;

/** Of a drain with a deadline: when that is, what happens then, and a line for each placement that is left. */
function drainText({ drain }: Node): string {
  if (drain === null) return "";
  const at = drain.leftMs > 0 ? `in ${formatAge(drain.leftMs)}` : `passed at ${drain.deadline}`;
  const then = drain.atDeadline === "remove" ? "what is left is removed then" : "what is left is named then and stays";
  return [drain.waitsFor.length === 0 ? "empty" : `deadline ${at}; ${then}`, ...drain.waitsFor].join("\n");
}
